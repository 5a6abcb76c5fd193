/* How a Python that was forked from a template ends, when nobody could tell the difference.
 *
 * Theory of operation. When a program has ended, its functions for the end were called, and its streams are
 * flushed, Python takes all of its objects apart. Forked, that is two thirds of what a small program takes: every page that is
 * touched is copied first. Where no object of the program could do anything at its own end (quiet.c), that work is left
 * out, and the process ends with exit(3) as it would have ended behind it.
 *
 * The moment is found without a change to Python: behind the streams and before the objects it sets back the handler of
 * SIGINT, and sigaction is ours here. What is relied on is tried once in each template, in a fork that runs
 * TRIAL: that the handler is set back behind the functions and the streams, and before any object. The trial
 * also tells how deep in the stack that is for a program that came to its end. One that ended by sys.exit() stands deeper,
 * inside of what called it, and with it its status, which cannot be seen here; it ends as always. So do
 * those in which an exception was printed, that set an audit hook, or that ran a text: a hook of ours hears of it.
 *
 * Programs can undo none of that but their own end; nobody else relies on it.
 */
#include "ending.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "quiet.h"
#include "settled.h"

static const char TRIAL[] =
    "import atexit, os, sys\n"
    "class Tried:\n"
    "    closed = False\n"
    "    def flush(self): os.write(%d, b'f')\n"
    "    def __del__(self, write=os.write): write(%d, b'd')\n"
    "sys.stdout = Tried()\n"
    "atexit.register(os.write, %d, b'a')\n";

static struct {
  int (*next)(int, const struct sigaction *, struct sigaction *);
  int (*is_initialized)(void);
  void *(*system_object)(const char *);
  void *(*call)(void *, const char *, const char *, ...);
  void (*forget_error)(void);
  void *(*item)(void *, intptr_t);
  const char *(*text)(void *, intptr_t *);
  const char *(*bytes)(void *);
  const char *floor;
  int trial; /* where the trial writes, in its fork */
  long depth; /* 0 = not known */
  bool has_file, has_told;
} own = {.trial = -1};

void find_next_sigaction(void) {
  own.next = (int (*)(int, const struct sigaction *, struct sigaction *))dlsym(RTLD_NEXT, "sigaction");
  if (own.next == NULL) abort();
}

/* Python's own for a named tuple: `lambda _cls, NAMES: _tuple_new(_cls, (NAMES))`. */
static bool is_of_named_tuple(const char *text) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_, ";
  static const char begin[] = "lambda _cls, ", middle[] = ": _tuple_new(_cls, (", end[] = "))";
  if (strncmp(text, begin, sizeof begin - 1) != 0) return false;
  text += sizeof begin - 1;
  text += strspn(text, letters);
  if (strncmp(text, middle, sizeof middle - 1) != 0) return false;
  text += sizeof middle - 1;
  return strcmp(text + strspn(text, letters), end) == 0;
}

/* An interrupt that leaves a text of exec() or eval() is Python's status, even if it is caught. */
static bool may_interrupt(void *arguments) {
  const char *name = own.text(own.item(arguments, 1), NULL);
  if (name != NULL && strcmp(name, "<string>") != 0) return false;
  const char *source = name == NULL ? NULL : own.bytes(own.item(arguments, 0));
  if (source == NULL) own.forget_error();
  return source == NULL || !is_of_named_tuple(source);
}

/* Of sys.addaudithook, of texts that are run, and of every exception that is printed. */
static int hear(const char *event, void *arguments, void *data) {
  (void)data;
  if (strcmp(event, "compile") == 0 && may_interrupt(arguments)) own.has_told = true;
  if (strcmp(event, "sys.addaudithook") == 0 || strcmp(event, "sys.excepthook") == 0 ||
      strcmp(event, "sys.unraisablehook") == 0)
    own.has_told = true;
  return 0;
}

static bool note_python(void) {
  int (*add_hook)(int (*)(const char *, void *, void *), void *) =
      (int (*)(int (*)(const char *, void *, void *), void *))dlsym(RTLD_DEFAULT, "PySys_AddAuditHook");
  own.system_object = (void *(*)(const char *))dlsym(RTLD_DEFAULT, "PySys_GetObject");
  own.call = (void *(*)(void *, const char *, const char *, ...))dlsym(RTLD_DEFAULT, "PyObject_CallMethod");
  own.forget_error = (void (*)(void))dlsym(RTLD_DEFAULT, "PyErr_Clear");
  own.item = (void *(*)(void *, intptr_t))dlsym(RTLD_DEFAULT, "PyTuple_GetItem");
  own.text = (const char *(*)(void *, intptr_t *))dlsym(RTLD_DEFAULT, "PyUnicode_AsUTF8AndSize");
  own.bytes = (const char *(*)(void *))dlsym(RTLD_DEFAULT, "PyBytes_AsString");
  if (!add_hook || !own.system_object || !own.call || !own.forget_error) return false;
  if (!own.item || !own.text || !own.bytes) return false;
  return note_objects() && add_hook(hear, NULL) == 0;
}

/* Of what the trial wrote: a function's, a stream's, the depth and marks, and only then objects'. */
static long read_depth(char *text) {
  char *stop = strchr(text, 's'), *marks = stop;
  if (stop == NULL || stop == text || stop[-1] != 'f') return 0;
  const long depth = strtol(stop + 1, &marks, 10);
  char *end = strchr(marks, '.');
  if (end == NULL || strchr(end, 'd') == NULL) return 0;
  *stop = *end = '\0';
  if (strchr(text, 'a') == NULL || strchr(text, 'd') != NULL) return 0;
  keep_marked(marks + 1);
  return depth;
}

static size_t read_to_end(int fd, char *text, size_t most) {
  size_t length = 0;
  ssize_t got;
  while (length < most && (got = read(fd, text + length, most - length)) > 0) length += (size_t)got;
  return length;
}

/* True in the template. */
static bool try_end(void) {
  char text[RECORDED_MOST + 256];
  int ends[2], status = 0;
  if (pipe(ends) == -1) return true;
  pid_t pid = fork();
  if (pid == 0) {
    own.trial = ends[1];
    return false;
  }
  close(ends[1]);
  text[pid == -1 ? 0 : read_to_end(ends[0], text, sizeof text - 1)] = '\0';
  close(ends[0]);
  if (pid != -1 && waitpid(pid, &status, 0) == pid && status == 0) own.depth = read_depth(text);
  return true;
}

bool learn_ending(const char *floor) {
  /* There from 3.11 on. */
  const unsigned long *version = dlsym(RTLD_DEFAULT, "Py_Version");
  int (*lock)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "PyGILState_Ensure");
  void (*unlock)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "PyGILState_Release");
  own.is_initialized = (int (*)(void))dlsym(RTLD_DEFAULT, "Py_IsInitialized");
  if (version == NULL || *version >= 0x030e0000 || !lock || !unlock || !own.is_initialized) return true;
  const int locked = lock();
  const bool is_known = note_python();
  unlock(locked);
  own.floor = floor;
  return !is_known || try_end();
}

static FILE *open_trial(void) {
  int fd = memfd_create("trial", MFD_CLOEXEC);
  if (fd == -1 || dprintf(fd, TRIAL, own.trial, own.trial, own.trial) < 0 || lseek(fd, 0, SEEK_SET) == -1) _exit(1);
  return fdopen(fd, "r");
}

FILE *open_program(const char *path, const char *mode, FILE *(*next)(const char *, const char *)) {
  if (own.trial != -1) return open_trial();
  FILE *file = next(path, mode);
  own.has_file = file != NULL;
  return file;
}

/* One that cannot be flushed was told of a moment ago, and Python ends with another status. */
static bool is_flushed(void *stream) {
  if (own.call(stream, "flush", NULL) != NULL) return true;
  own.forget_error();
  return false;
}

/* Nobody's own, so that no flush is seen. */
static bool are_streams_flushed(void) {
  return are_streams_settled() && is_flushed(own.system_object("stdout")) && is_flushed(own.system_object("stderr"));
}

__attribute__((visibility("default"))) int sigaction(int number, const struct sigaction *action,
                                                     struct sigaction *before) {
  if (number == SIGINT && own.is_initialized != NULL && !own.is_initialized()) {
    const long depth = own.floor - (const char *)__builtin_frame_address(0);
    if (own.trial != -1) {
      if (dprintf(own.trial, "s%ld %s.", depth, mark_objects()) < 0) _exit(1);
      own.trial = -1;
    } else if (own.has_file && depth == own.depth && !own.has_told && are_objects_quiet() && are_streams_flushed()) {
      exit(0);
    }
  }
  return own.next(number, action, before);
}
