#ifndef SANDRUN_KEEPER_H
#define SANDRUN_KEEPER_H

#include "passing.h"

/* Descriptors that the warden leaves open for the keeper. */
enum keeper_descriptor { KEEPER_LISTENER = 3, KEEPER_WARDEN = 4 };

/* keeper SLOTS [KIND]…, the kinds of the prepared trees in their order; never returns. */
void live_as_keeper(int argc, char **argv) __attribute__((noreturn));

#endif
