/* Whether anybody could see the end of a Python's objects.
 *
 * Theory of operation. At its end Python takes every object apart, which is two thirds of the CPU time of
 * a small program that was forked: each page that is touched has to be copied. It can be seen when an object does something at
 * its own end: it has __del__, is a file with bytes to write, a weak reference that calls back, a generator that waits
 * in a `finally`. So all objects that Python's collector knows are looked at (reading, never writing): each must be
 * of a type that is known to end quietly, or have been there when the template was made. Of those that the collector does not know, only such can
 * act at their end whose class has __del__, and classes it knows; or those of a compiled module, and of these only some are
 * let pass. Whatever is not known counts as loud.
 *
 * What is relied on of Python beside its stable interface: the two links before each object that the collector
 * knows, and the rings of its three generations (checked below, link by link); the first words of
 * a type and of a weak reference. They have not changed from Python 3.11 to 3.13.
 *
 * The program could forge all that is read here. It runs with its own rights, and would deceive itself.
 */
#include "quiet.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cpython.h"
#include "quietnames.h"
#include "settled.h"

enum { JUDGED_MOST = 1024, INTERPRETER_MOST = 1 << 20, OBJECTS_MOST = 1 << 24 };
/* Of PyType_GetSlot and PyType_GetFlags (typeslots.h, object.h). */
enum { SLOT_BASE = 48, SLOT_DEALLOC = 52, SLOT_DEL = 53, SLOT_FINALIZE = 80 };
static const unsigned long IS_COLLECTED = 1ul << 14, IS_EXCEPTION = 1ul << 30, IS_TYPE = 1ul << 31;

struct type {
  struct object object;
  intptr_t size;
  const char *name;
};
struct function {
  struct object object;
  const struct {
    const char *name;
  } *method;
};
struct reference {
  struct object object;
  void *referent;
  struct function *callback;
};
struct definition {
  char base[40];
  const char *name;
};

enum verdict { UNJUDGED, QUIET, NESTED, CLASS, MODULE, REFERENCE, LOUD };

static struct {
  void *(*slot_of)(void *, int);
  unsigned long (*flags_of)(void *);
  struct definition *(*definition_of)(void *);
  void *(*names_of)(void *);
  const void *function_type, *class_dealloc;
  struct generation *generations;
  struct {
    const struct object *object; /* NULL = gone when the trial ended */
    const struct type *type;
    intptr_t instances;
  } recorded[RECORDED_MOST];
  int recorded_count;
  char marks[RECORDED_MOST + 1];
  struct {
    const void *type;
    enum verdict verdict;
  } judged[JUDGED_MOST];
  int judged_count, nested;
} own;

static bool has_text(const char *const *texts, size_t count, const char *text, bool is_whole) {
  for (size_t i = 0; i < count; i++)
    if (is_whole ? strcmp(text, texts[i]) == 0 : strncmp(text, texts[i], strlen(texts[i])) == 0) return true;
  return false;
}

/* Instances of Python's own classes end as what they are derived from. */
static enum verdict judge_type(struct type *type);
static enum verdict judge_base(struct type *type) {
  struct type *base = type;
  while (base != NULL && own.slot_of(base, SLOT_DEALLOC) == own.class_dealloc) base = own.slot_of(base, SLOT_BASE);
  if (base == NULL) return LOUD;
  if (base != type) return judge_type(base);
  return has_text(quiet_names, sizeof quiet_names / sizeof quiet_names[0], base->name, false) ? NESTED : LOUD;
}

static enum verdict judge_new(struct type *type) {
  const unsigned long flags = own.flags_of(type);
  if (own.slot_of(type, SLOT_FINALIZE) != NULL || own.slot_of(type, SLOT_DEL) != NULL) return LOUD;
  if (flags & IS_TYPE) return CLASS;
  if (flags & IS_EXCEPTION) return QUIET;
  return judge_base(type);
}

static enum verdict *place_of(const struct type *type) {
  size_t place = ((uintptr_t)type >> 4) % JUDGED_MOST;
  while (own.judged[place].type != NULL && own.judged[place].type != type) place = (place + 1) % JUDGED_MOST;
  if (own.judged[place].type == NULL && own.judged_count >= JUDGED_MOST / 2) return NULL;
  if (own.judged[place].type == NULL) own.judged_count++;
  own.judged[place].type = type;
  return &own.judged[place].verdict;
}

static enum verdict judge_type(struct type *type) {
  enum verdict *place = place_of(type);
  if (place == NULL) return judge_new(type);
  if (*place == UNJUDGED) *place = judge_new(type);
  return *place;
}

static bool is_quiet(void *object) {
  struct definition *definition;
  const struct function *callback;
  switch (judge_type(((struct object *)object)->type)) {
    case QUIET:
      return true;
    case NESTED:
      return ++own.nested <= NESTED_MOST;
    case CLASS:
      return own.slot_of(object, SLOT_FINALIZE) == NULL && own.slot_of(object, SLOT_DEL) == NULL;
    case REFERENCE: /* abstract classes have some that call back in C (_abc.c) */
      callback = ((struct reference *)object)->callback;
      return callback == NULL ||
             (callback->object.type == own.function_type && strcmp(callback->method->name, "_destroy") == 0);
    case MODULE:
      definition = own.definition_of(object);
      return definition == NULL ||
             has_text(quiet_modules, sizeof quiet_modules / sizeof quiet_modules[0], definition->name, true);
    default:
      return false;
  }
}

/* Of a class whose objects the collector does not know: each of them counts as a reference to it. */
static intptr_t instances_of(struct object *object) {
  const bool is_class = judge_type(object->type) == CLASS;
  return is_class && (own.flags_of(object) & IS_COLLECTED) == 0 ? object->references : 0;
}

/* Its number, or -1. */
static int find_record(struct object *object) {
  for (int i = 0; i < own.recorded_count; i++)
    if (own.recorded[i].object == object && own.recorded[i].type == object->type)
      return own.recorded[i].instances == instances_of(object) ? i : -1;
  return -1;
}

/* Calls for each object of a generation, until one says false. */
static bool for_each(struct generation *generation, bool (*visit)(void *)) {
  const struct links *head = &generation->head;
  for (struct links *at = (struct links *)head->next; at != head; at = (struct links *)at->next)
    if (!visit(at + 1)) return false;
  return true;
}

static bool is_ring(const struct links *head) {
  const struct links *before = head, *at = (struct links *)head->next;
  for (int count = 0; at != NULL && count < OBJECTS_MOST; count++) {
    if ((at->previous & ~(uintptr_t)3) != (uintptr_t)before) return false;
    if (at == head) return true;
    before = at;
    at = (struct links *)at->next;
  }
  return false;
}

/* The youngest generation's place in the interpreter, found along the links from an object. */
static struct generation *find_generations(void *object, const char *interpreter) {
  const struct links *at = (struct links *)object - 1;
  for (int count = 0; count < OBJECTS_MOST; count++) {
    const char *place = (const char *)at;
    if (place >= interpreter && place < interpreter + INTERPRETER_MOST) break;
    at = (struct links *)at->next;
  }
  struct generation *found = (struct generation *)at;
  for (int i = 0; i < GENERATIONS; i++)
    if (!is_ring(&found[i].head)) return NULL;
  return found;
}

static bool record(void *place) {
  struct object *object = place;
  const int number = own.recorded_count;
  if (is_quiet(object)) return true;
  if (number == RECORDED_MOST) return false;
  own.recorded[number].object = object;
  own.recorded[number].type = object->type;
  own.recorded[number].instances = instances_of(object);
  own.recorded_count++;
  return true;
}

static bool is_old_or_quiet(void *object) {
  if (judge_type(((struct object *)object)->type) == MODULE && !has_plain_names(own.names_of(object))) return false;
  return is_quiet(object) || find_record(object) != -1;
}

static bool mark(void *object) {
  const int number = is_quiet(object) ? -1 : find_record(object);
  if (number != -1) own.marks[number] = '+';
  return true;
}

static bool visit_all(bool (*visit)(void *)) {
  own.nested = 0;
  for (int i = 0; i < GENERATIONS; i++)
    if (!for_each(&own.generations[i], visit)) return false;
  return true;
}

static void note_verdict(const char *name, enum verdict verdict) {
  const struct type *type = dlsym(RTLD_DEFAULT, name);
  enum verdict *place = type == NULL ? NULL : place_of(type);
  if (place != NULL) *place = verdict;
}

static bool note_types(void) {
  memset(own.judged, 0, sizeof own.judged);
  own.judged_count = 0;
  for (size_t i = 0; i < sizeof quiet_types / sizeof quiet_types[0]; i++) note_verdict(quiet_types[i], QUIET);
  for (size_t i = 0; i < sizeof nested_types / sizeof nested_types[0]; i++) note_verdict(nested_types[i], NESTED);
  note_verdict("PyModule_Type", MODULE);
  note_verdict("_PyWeakref_RefType", REFERENCE);
  note_verdict("_PyWeakref_ProxyType", REFERENCE);
  note_verdict("_PyWeakref_CallableProxyType", REFERENCE);
  own.function_type = dlsym(RTLD_DEFAULT, "PyCFunction_Type");
  return own.function_type != NULL;
}

/* How instances of all classes that were written in Python end, as of one that each has. */
static bool note_class(void) {
  void *(*get)(const char *) = (void *(*)(const char *))dlsym(RTLD_DEFAULT, "PySys_GetObject");
  struct object *(*item)(void *, intptr_t) = (struct object * (*)(void *, intptr_t)) dlsym(RTLD_DEFAULT, "PyList_GetItem");
  intptr_t (*size)(void *) = (intptr_t (*)(void *))dlsym(RTLD_DEFAULT, "PyList_Size");
  if (get == NULL || item == NULL || size == NULL) return false;
  /* Whatever stands before it is of the installation. */
  void *finders = get("meta_path");
  struct object *class = finders == NULL || size(finders) < 1 ? NULL : item(finders, size(finders) - 1);
  if (class == NULL || (own.flags_of(class->type) & IS_TYPE) == 0) return false;
  own.class_dealloc = own.slot_of(class, SLOT_DEALLOC);
  return own.class_dealloc != NULL;
}

bool note_objects(void) {
  void *(*interpreter)(void) = (void *(*)(void))dlsym(RTLD_DEFAULT, "PyInterpreterState_Get");
  void *(*new_list)(intptr_t) = (void *(*)(intptr_t))dlsym(RTLD_DEFAULT, "PyList_New");
  void (*drop)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "Py_DecRef");
  own.slot_of = (void *(*)(void *, int))dlsym(RTLD_DEFAULT, "PyType_GetSlot");
  own.flags_of = (unsigned long (*)(void *))dlsym(RTLD_DEFAULT, "PyType_GetFlags");
  own.definition_of = (struct definition * (*)(void *)) dlsym(RTLD_DEFAULT, "PyModule_GetDef");
  own.names_of = (void *(*)(void *))dlsym(RTLD_DEFAULT, "PyModule_GetDict");
  if (!interpreter || !new_list || !drop || !own.slot_of || !own.flags_of || !own.definition_of || !own.names_of) return false;
  if (!note_types() || !note_class()) return false;
  void *list = new_list(0);
  if (list == NULL) return false;
  own.generations = find_generations(list, interpreter());
  drop(list);
  if (own.generations == NULL || !note_settled(own.generations) || !visit_all(record)) return false;
  /* A class may go, and a program's come to lie in its place. */
  return note_types();
}

const char *mark_objects(void) {
  memset(own.marks, '-', (size_t)own.recorded_count);
  (void)visit_all(mark);
  return own.marks;
}

void keep_marked(const char *marks) {
  for (int i = 0; i < own.recorded_count; i++)
    if (marks[i] != '+') own.recorded[i].object = NULL;
}

bool are_objects_quiet(void) {
  return is_collector_settled() && are_modules_plain() && visit_all(is_old_or_quiet);
}
