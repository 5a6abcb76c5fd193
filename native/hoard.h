/* Finds the box that hoards kernel memory which no cgroup counts. */
#ifndef SANDRUN_HOARD_H
#define SANDRUN_HOARD_H

#include <stdbool.h>
#include <stdint.h>

enum { HOARD_LOOK_MS = 250 };

struct hoard {
  int64_t base_kib; /* what the kernel held when we last looked closely, or less; 0 = never */
  int64_t looked_ms;
};

/* The slot whose program holds too many byte-range locks, or -1; `slots` is how many there are.
 * To be asked every HOARD_LOOK_MS or more often while there are boxes, and then looks no later than
 * one and a half of that; runs in the keeper, who sees them all. */
int find_hoarder(struct hoard *hoard, int slots);

#endif
