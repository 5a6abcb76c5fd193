/* The end of a Python that was forked from a template, when nothing in it could tell how it ends. */
#ifndef SANDRUN_ENDING_H
#define SANDRUN_ENDING_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

/* By the constructor of the library, before anything of it is used. */
void find_next_sigaction(void);

/* In a template, before its file is opened: learns how its programs end, and in which place of the
 * stack, above or below `floor`. Returns false in the fork that is tried, which goes on as the program of a job
 * would. Without a Python, or with one that ends otherwise than is known here, programs end as they always do. */
bool learn_ending(const char *floor);

/* Opens the program's file by `next`; what is to be tried, in the fork that is tried. */
FILE *open_program(const char *path, const char *mode, FILE *(*next)(const char *, const char *));

#endif
