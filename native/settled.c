/* What beside a Python's objects could show at its end.
 *
 * Theory of operation. quiet.c looks at the objects that Python's collector goes through. Whom gc.freeze() has set apart are
 * not among them; and the collector, that runs once more at the end, tells of it when it was asked to, though the
 * module `gc` may be gone by then. Python closes its streams, and calls what was set on them for it. And it looks
 * for names, which asks keys that are not Python's own text whether they are meant (__eq__, __hash__).
 *
 * What is relied on of Python: how its collector's state goes on behind the rings, which is checked when it is
 * noted. It has not changed from Python 3.11 to 3.13; where it is otherwise nothing is left out at the end.
 */
#include "settled.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cpython.h"

enum { STREAMS = 3, LAYERS = 3 };

struct list {
  struct object object;
  intptr_t size;
};
struct collector {
  struct generation rings[GENERATIONS];
  const void *youngest;
  struct generation frozen;
  intptr_t statistics[9];
  int is_collecting;
  const struct list *garbage, *callbacks;
};

static struct {
  const struct collector *collector;
  uint64_t switches; /* whether it runs by itself, and what it tells */
  void *layers[STREAMS][LAYERS];
  const void *list_type, *text_type;
  void *(*system_object)(const char *);
  void *(*attribute)(void *, const char *);
  void *(*attributes)(void *, void *);
  void *(*modules)(void);
  void (*drop)(void *);
  void (*forget_error)(void);
  int (*next)(void *, intptr_t *, void **, void **);
  int (*compare)(void *, const char *);
} own;

static bool is_empty(const struct list *list) {
  return list != NULL && list->object.type == own.list_type && list->size == 0;
}

static uint64_t read_switches(void) {
  uint64_t switches;
  memcpy(&switches, (const char *)own.collector - sizeof switches, sizeof switches);
  return switches;
}

bool is_collector_settled(void) {
  const struct collector *collector = own.collector;
  return collector->frozen.head.next == (uintptr_t)&collector->frozen && is_empty(collector->garbage) &&
         is_empty(collector->callbacks) && read_switches() == own.switches;
}

bool has_plain_names(void *dictionary) {
  intptr_t at = 0;
  void *key, *value;
  while (own.next(dictionary, &at, &key, &value))
    if (((struct object *)key)->type != own.text_type) return false;
  return true;
}

bool are_modules_plain(void) {
  return has_plain_names(own.modules());
}

/* What Python itself has set on its streams; `close` or `flush` would be called. */
static bool has_own_attributes(void *stream) {
  intptr_t at = 0;
  void *key, *value, *set = own.attributes(stream, NULL);
  if (set == NULL) {
    own.forget_error();
    return false;
  }
  bool is_own = has_plain_names(set);
  while (is_own && own.next(set, &at, &key, &value))
    is_own = own.compare(key, "mode") == 0 || own.compare(key, "name") == 0;
  own.drop(set);
  return is_own;
}

/* A stream, what it writes to, and what that does. Nobody but the layer above holds the one below. */
static void find_layers(const char *name, void **layers) {
  static const char *const below[] = {"buffer", "raw"};
  layers[0] = own.system_object(name);
  for (int i = 1; i < LAYERS; i++) {
    layers[i] = layers[i - 1] == NULL ? NULL : own.attribute(layers[i - 1], below[i - 1]);
    if (layers[i] != NULL) own.drop(layers[i]);
    else own.forget_error();
  }
}

static bool is_settled(int number, const char *name) {
  void *layers[LAYERS];
  /* No attribute of another object is asked for: it could be the program's. */
  if (own.system_object(name) != own.layers[number][0]) return false;
  find_layers(name, layers);
  if (memcmp(layers, own.layers[number], sizeof layers) != 0) return false;
  for (int i = 0; i < LAYERS; i++)
    if (layers[i] != NULL && !has_own_attributes(layers[i])) return false;
  return true;
}

static const char *const stream_names[STREAMS] = {"stdin", "stdout", "stderr"};

bool are_streams_settled(void) {
  for (int i = 0; i < STREAMS; i++)
    if (!is_settled(i, stream_names[i])) return false;
  return true;
}

static bool find_python(void) {
  own.list_type = dlsym(RTLD_DEFAULT, "PyList_Type");
  own.text_type = dlsym(RTLD_DEFAULT, "PyUnicode_Type");
  own.system_object = (void *(*)(const char *))dlsym(RTLD_DEFAULT, "PySys_GetObject");
  own.attribute = (void *(*)(void *, const char *))dlsym(RTLD_DEFAULT, "PyObject_GetAttrString");
  own.attributes = (void *(*)(void *, void *))dlsym(RTLD_DEFAULT, "PyObject_GenericGetDict");
  own.modules = (void *(*)(void))dlsym(RTLD_DEFAULT, "PyImport_GetModuleDict");
  own.drop = (void (*)(void *))dlsym(RTLD_DEFAULT, "Py_DecRef");
  own.forget_error = (void (*)(void))dlsym(RTLD_DEFAULT, "PyErr_Clear");
  own.next = (int (*)(void *, intptr_t *, void **, void **))dlsym(RTLD_DEFAULT, "PyDict_Next");
  own.compare = (int (*)(void *, const char *))dlsym(RTLD_DEFAULT, "PyUnicode_CompareWithASCIIString");
  return own.list_type && own.text_type && own.system_object && own.attribute && own.attributes && own.modules &&
         own.drop && own.forget_error && own.next && own.compare;
}

bool note_settled(const void *generations) {
  if (!find_python()) return false;
  own.collector = generations;
  if (own.collector->youngest != generations || own.collector->frozen.head.previous != (uintptr_t)&own.collector->frozen) return false;
  own.switches = read_switches();
  for (int i = 0; i < STREAMS; i++) find_layers(stream_names[i], own.layers[i]);
  for (int i = 0; i < STREAMS; i++)
    if (own.layers[i][0] == NULL) return false;
  /* Not so the streams' attributes: to ask can make a dictionary, and the collector counts it. */
  return is_collector_settled() && are_modules_plain();
}
