/* Break points: places at which the tests leave out one layer, to see what a box does without it.
 *
 * In the product each of them is a constant, and its objects are those of the same sources with
 * every break point cut out, to the byte (test/broken/product.test.ts cuts and compares; so a
 * break point is one line, or the condition at the head of one). Only the test program
 * build/sandrun-native-broken is compiled with SANDRUN_BREAKABLE: there native/test/broken.c says
 * what is left out.
 */
#ifndef SANDRUN_BREAKABLE_H
#define SANDRUN_BREAKABLE_H

#include "fault.h"

#ifdef SANDRUN_BREAKABLE

#include <stdbool.h>

#include "frames.h"

/* What is promised beside the layers. */
enum { LAYER_MASKS = LAYER_COUNT, LAYER_CORE, LAYER_DESCRIPTORS, BREAKABLE_COUNT };

bool is_broken(int layer);
uint64_t broken_namespaces(void);
uint32_t forgiven_layers(void);
char *break_variable(void);

#define BROKEN(layer) is_broken(LAYER_##layer)
#define BROKEN_NAMESPACES broken_namespaces()
#define FORGIVEN_LAYERS forgiven_layers()
#define BREAK_VARIABLE break_variable(),

#else

#define BROKEN(layer) 0
#define BROKEN_NAMESPACES 0ull
#define FORGIVEN_LAYERS 0u
#define BREAK_VARIABLE

#endif

/* What takes the place of a layer, where leaving it out is not enough; not there in the product. */
int bind_overlay(const char *layers, const char *place, struct fault *fault);
int mount_endless_tmpfs(const char *place, unsigned mode, struct fault *fault);
int keep_all_capabilities(struct fault *fault);

#endif
