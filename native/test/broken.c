/* What is broken in the test program build/sandrun-native-broken; never part of the product.
 *
 *   SANDRUN_BREAK="missing time"  the layer is not set up; what verifies it is the product's
 *   SANDRUN_BREAK="silent time"   nor does its absence show: the box says that it holds
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../box.h"
#include "../breakable.h"

static const char marker[] = "SANDRUN_BREAK";

/* The layer that shows each break, beyond the layers themselves. */
static const struct {
  const char *name;
  int shown_by;
} others[] = {{"masks", LAYER_PROC}, {"core", LAYER_RLIMITS}, {"descriptors", LAYER_ROOT}};

static int number_of(const char *name) {
  for (int i = 0; i < LAYER_COUNT; i++)
    if (strcmp(layer_names[i], name) == 0) return i;
  for (int i = LAYER_COUNT; i < BREAKABLE_COUNT; i++)
    if (strcmp(others[i - LAYER_COUNT].name, name) == 0) return i;
  (void)fprintf(stderr, "nothing to break is called %s\n", name);
  abort();
}

/* Read once: a process of the keeper's would no longer find it behind an emptied environment. */
static int broken_layer(bool *silent) {
  static bool is_silent;
  static int layer = -2;
  if (layer == -2) {
    const char *text = getenv(marker);
    const char *name = text == NULL ? NULL : strchr(text, ' ');
    is_silent = text != NULL && strncmp(text, "silent ", 7) == 0;
    layer = name == NULL ? -1 : number_of(name + 1);
  }
  if (silent != NULL) *silent = is_silent;
  return layer;
}

bool is_broken(int layer) {
  if (broken_layer(NULL) != layer) return false;
  if (layer != LAYER_DESCRIPTORS) return true;
  /* Of the pipes that PID 1 waits for the end of, neither it nor the program may hold a copy, or
   * no job would come to its end: 100 is where keep_descriptors puts the first copy. */
  (void)close(100 + HAND_STATUS);
  return getpid() != 1;
}

uint64_t broken_namespaces(void) {
  switch (broken_layer(NULL)) {
    case LAYER_USER: return CLONE_NEWUSER;
    case LAYER_PID: return CLONE_NEWPID;
    case LAYER_MOUNT: return CLONE_NEWNS;
    case LAYER_IPC: return CLONE_NEWIPC;
    case LAYER_UTS: return CLONE_NEWUTS;
    default: return 0;
  }
}

uint32_t forgiven_layers(void) {
  bool silent;
  int layer = broken_layer(&silent);
  if (layer == -1 || !silent) return 0;
  return 1u << (layer < LAYER_COUNT ? layer : others[layer - LAYER_COUNT].shown_by);
}

/* The keeper starts with an empty environment, but for this. */
char *break_variable(void) {
  static char text[64];
  const char *value = getenv(marker);
  (void)snprintf(text, sizeof text, "%s=%s", marker, value == NULL ? "" : value);
  return text;
}

/* The keeper's own file system, shared by all boxes, in place of an overlay. */
int bind_overlay(const char *layers, const char *place, struct fault *fault) {
  const char *lower = strrchr(layers, ':') + 1;
  TRY(mount(lower, place, NULL, MS_BIND | MS_REC, NULL), "bind %s", lower);
  return 0;
}

int mount_endless_tmpfs(const char *place, unsigned mode, struct fault *fault) {
  char options[64];
  (void)snprintf(options, sizeof options, "size=0,nr_inodes=0,mode=%o,uid=%d,gid=%d", mode, PROGRAM_UID, PROGRAM_UID);
  TRY(mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, options), "mount a tmpfs on /%s", place);
  return 0;
}

/* Even across the change of uid and the start of the program. */
int keep_all_capabilities(struct fault *fault) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[2];
  TRY((int)syscall(SYS_capget, &header, data), "read capabilities");
  for (int i = 0; i < 2; i++) data[i].inheritable = data[i].permitted;
  TRY((int)syscall(SYS_capset, &header, data), "inherit capabilities");
  TRY(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "set the secure bits");
  for (int capability = 0; capability <= CAP_SETFCAP; capability++)
    TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0), "keep capability %d", capability);
  TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs");
  return 0;
}
