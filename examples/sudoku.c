/*
 * Solves a Sudoku given as 81 characters, row by row, with 0 or . for an empty cell.
 * Run it with: sandrun examples/sudoku.c 53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79
 */
#include <stdio.h>
#include <string.h>

enum { SIZE = 9, CELLS = SIZE * SIZE, ALL = (1 << SIZE) - 1 };

/* Bit d is set where digit d + 1 is taken. */
static unsigned rows[SIZE], columns[SIZE], boxes[SIZE];
static int grid[CELLS]; /* 0 = empty, else the digit */
static unsigned long tried;

static unsigned candidates(int cell)
{
	int row = cell / SIZE, column = cell % SIZE;
	return ALL & ~(rows[row] | columns[column] | boxes[row / 3 * 3 + column / 3]);
}

/* Puts a digit on an empty cell or takes the same one away again. */
static void toggle(int cell, int digit)
{
	int row = cell / SIZE, column = cell % SIZE;
	unsigned bit = 1u << (digit - 1);
	rows[row] ^= bit;
	columns[column] ^= bit;
	boxes[row / 3 * 3 + column / 3] ^= bit;
	grid[cell] = grid[cell] ? 0 : digit;
}

/* The empty cell with the fewest candidates, or -1 when none is empty. */
static int narrowest(void)
{
	int best = -1, fewest = SIZE + 1;
	for (int cell = 0; cell < CELLS; cell++) {
		if (grid[cell])
			continue;
		int count = __builtin_popcount(candidates(cell));
		if (count < fewest) {
			fewest = count;
			best = cell;
		}
	}
	return best;
}

static int solve(void)
{
	int cell = narrowest();
	if (cell < 0)
		return 1;
	unsigned open = candidates(cell);
	for (int digit = 1; digit <= SIZE; digit++) {
		if (!(open & 1u << (digit - 1)))
			continue;
		tried++;
		toggle(cell, digit);
		if (solve())
			return 1;
		toggle(cell, digit);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2 || strlen(argv[1]) != CELLS) {
		fprintf(stderr, "usage: sudoku CELLS, 81 of them\n");
		return 2;
	}
	for (int cell = 0; cell < CELLS; cell++) {
		int digit = argv[1][cell] == '.' ? 0 : argv[1][cell] - '0';
		if (digit < 0 || digit > SIZE || (digit && !(candidates(cell) & 1u << (digit - 1)))) {
			fprintf(stderr, "cell %d cannot be '%c'\n", cell + 1, argv[1][cell]);
			return 2;
		}
		if (digit)
			toggle(cell, digit);
	}
	if (!solve()) {
		puts("There is no solution.");
		return 1;
	}
	for (int cell = 0; cell < CELLS; cell++)
		printf("%d%s", grid[cell], cell % SIZE == SIZE - 1 ? "\n" : " ");
	printf("%lu digits tried\n", tried);
	return 0;
}
