/* Running Node: as a uid of its own, with no way back to more.
 *
 * Keeps S19 of SECURITY.md for the bytes of jobs that pass through it. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "warden.h"

enum { PASSED_LISTEN = 3, PASSED_TALK, PASSED_CERTIFICATE, FIRST_FILE, HANDOVER_MOST = 10240, CERTIFICATE_MOST = 64 * 1024 };

int describe(const struct range *range, const struct plan *plan, char *text, size_t size,
             struct fault *fault) {
  static const char *const names[] = {"memory", "pids", "cpu", "cpuacct"};
  size_t length = (size_t)snprintf(text, size, "keeper %s/door/keeper\nslots %u\ncgroup %d\n",
                                   range->directory, plan->slots, plan->cgroups.version);
  for (int i = 0; i < plan->cgroups.count; i++)
    for (unsigned bit = 0; bit < 4; bit++)
      if ((plan->cgroups.hierarchies[i].controllers & 1u << bit) && length < size)
        length += (size_t)snprintf(text + length, size - length, "%s %s\n", names[bit],
                                   plan->cgroups.hierarchies[i].directory);
  /* Each job's group is made with these, and they were read back before its box is there. */
  if (length < size)
    length += (size_t)snprintf(text + length, size - length, "job-memory %llu\njob-cpu-percent %u\n",
                               (unsigned long long)plan->cgroups.job_memory_bytes, plan->cgroups.cpu_percent);
  for (int i = 0; i < plan->tree_count && length < size; i++)
    length += (size_t)snprintf(text + length, size - length, "tree %s\n", tree_kind_names[plan->trees[i].kind]);
  if (length < size) length += (size_t)snprintf(text + length, size - length, "end\n");
  return length < size ? 0 : FAIL_WITH(fault, E2BIG, "describe the sandbox");
}

/* A checkout below a directory that others cannot enter (root's home) is shown to the service at
 * a place that it can reach; the files themselves must be readable to all. */
int mount_app(const struct range *range, struct service *service, struct fault *fault) {
  static char moved[COMMAND_MOST][512];
  (void)snprintf(service->app, sizeof service->app, "%s/app", range->directory);
  if (bind_read_only(service->root, service->app, 0, fault) == -1) return -1;
  const size_t length = strlen(service->root);
  for (int i = 0; service->command[i] != NULL; i++) {
    if (strncmp(service->command[i], service->root, length) != 0 || service->command[i][length] != '/') continue;
    (void)snprintf(moved[i], sizeof moved[i], "%s%s", service->app, service->command[i] + length);
    service->command[i] = moved[i];
  }
  TRY(chmod(range->directory, 0711), "open the runtime directory to the service");
  return 0;
}

static int drop_privileges(const struct range *range, struct fault *fault) {
  if (range->privileged) {
    for (int capability = 0;; capability++) {
      if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
      if (errno == EINVAL && capability > 30) break;
      return fail(fault, "empty the bounding set of the service");
    }
    TRY(setresgid(range->service_uid, range->service_uid, range->service_uid), "take the service's gid");
  }
  TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs for the service");
  return 0;
}

static int become_service(const struct range *range, struct fault *fault) {
  /* Callers can make JavaScript run out of memory. With 0 a piped handler would still get it all. */
  const struct rlimit no_core = {1, 1};
  sigset_t none;
  sigemptyset(&none);
  TRY(setrlimit(RLIMIT_CORE, &no_core), "keep the service from core files");
  if (range->privileged) TRY(setgroups(0, NULL), "drop the service's groups");
  if (drop_privileges(range, fault) == -1) return -1;
  if (range->privileged)
    TRY(setresuid(range->service_uid, range->service_uid, range->service_uid), "take the service's uid");
  TRY(sigprocmask(SIG_SETMASK, &none, NULL), "unblock signals");
  /* After the change of uid, which clears it. */
  TRY(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "tie the service to the warden");
  return 0;
}

static _Noreturn void exec_node(const struct service *service, const char *verb, struct fault *fault) {
  enum { ARGUMENTS_MOST = 256 };
  const char *arguments[COMMAND_MOST + ARGUMENTS_MOST + 2] = {NULL};
  int count = 0;
  while (service->command[count] != NULL) {
    arguments[count] = service->command[count];
    count++;
  }
  arguments[count++] = verb;
  for (int i = 0; service->arguments[i] != NULL && i < ARGUMENTS_MOST; i++)
    arguments[count++] = service->arguments[i];
  /* In the caller's directory: options may name files relative to it. */
  execv(arguments[0], (char *const *)(uintptr_t)arguments);
  fail(fault, "run %.80s (are the project's files readable to all?)", arguments[0]);
  (void)fprintf(stderr, "sandrun: %s: %s\n", fault->step, strerror(fault->err));
  _exit(FAILED);
}

int ask_plan(const struct range *range, const struct service *service, struct plan *plan,
             int *status, struct fault *fault) {
  int ends[2];
  TRY(pipe2(ends, O_CLOEXEC), "make a pipe for the plan");
  pid_t child = fork();
  TRY(child, "start the planner");
  if (child == 0) {
    /* What else root's shell left open is no business of a uid without rights. */
    const int fds[] = {STDIN_FILENO, ends[1], STDERR_FILENO};
    if (keep_descriptors(fds, 3, 3, fault) == -1 || become_service(range, fault) == -1) _exit(FAILED);
    exec_node(service, "serve-plan", fault);
  }
  close(ends[1]);
  int result = read_plan(ends[0], plan, fault);
  close(ends[0]);
  while (waitpid(child, status, 0) == -1 && errno == EINTR) continue;
  *status = WIFEXITED(*status) ? WEXITSTATUS(*status) : FAILED;
  /* Help, or a usage error that it has told itself. */
  if (result == -1 && (fault->err == EPIPE || *status != 0)) return 1;
  return result;
}

static int listen_unix(const struct range *range, const char *path, struct fault *fault) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct stat status;
  if (snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= (int)sizeof address.sun_path)
    return FAIL_WITH(fault, ENAMETOOLONG, "name the listening socket");
  /* A socket that a killed service left; anything else there is not ours to remove. */
  if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode)) (void)unlink(path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  TRY(fd, "make the listening socket");
  TRY(bind(fd, (struct sockaddr *)&address, sizeof address), "bind %s", path);
  TRY(chmod(path, 0666), "open %s to the proxy", path);
  if (range->privileged) TRY(chown(path, range->service_uid, (gid_t)-1), "give %s to the service", path);
  TRY(listen(fd, 1024), "listen on %s", path);
  return fd;
}

/* Fills a socket address from numbers; name services need shared libraries. Returns its size. */
static socklen_t numeric_address(const char *host, const char *port, struct sockaddr_storage *address) {
  struct sockaddr_in *four = (struct sockaddr_in *)address;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
  memset(address, 0, sizeof *address);
  four->sin_port = htons((uint16_t)strtoul(port, NULL, 10)); /* at the same place in both */
  if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
    address->ss_family = AF_INET;
    return sizeof *four;
  }
  if (inet_pton(AF_INET6, host, &six->sin6_addr) != 1) return 0;
  address->ss_family = AF_INET6;
  return sizeof *six;
}

static int listen_tcp(const char *host, const char *port, struct fault *fault) {
  struct sockaddr_storage address;
  const int on = 1;
  socklen_t size = numeric_address(host, port, &address);
  if (size == 0) return FAIL_WITH(fault, EINVAL, "the address %s to listen on", host);
  int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int failed = fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1 ||
               bind(fd, (struct sockaddr *)&address, size) == -1 || listen(fd, 1024) == -1;
  if (!failed) return fd;
  fail(fault, "listen on %s port %s", host, port);
  if (fd != -1) close(fd);
  return -1;
}

int open_listener(const struct range *range, const struct plan *plan, struct fault *fault) {
  if (strcmp(plan->listen_kind, "unix") == 0) return listen_unix(range, plan->listen_host, fault);
  if (strcmp(plan->listen_kind, "tcp") == 0) return listen_tcp(plan->listen_host, plan->listen_port, fault);
  return FAIL_WITH(fault, EINVAL, "the plan does not say where to listen");
}

/* Only its content can be changed: Node must not fill the memory of the host with it. */
int open_certificate(struct service *service, struct fault *fault) {
  service->certificate = memfd_create("certificate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  TRY(service->certificate, "make room for a certificate");
  TRY(ftruncate(service->certificate, CERTIFICATE_MOST), "make room for a certificate");
  TRY(fcntl(service->certificate, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), "seal the room for a certificate");
  return 0;
}

/* Opens the files of the plan anew at each start, so that a renewed certificate is taken. */
static int pass_files(const struct plan *plan, const struct service *service, int talk, char *text,
                      size_t size, struct fault *fault) {
  int fds[FIRST_FILE + OPENS_MOST] = {0, 1, 2, service->listener, talk, service->certificate}, count = FIRST_FILE;
  size_t length = strlen(text);
  length += (size_t)snprintf(text + length, size - length, "fd listen %d\nfd talk %d\nfd certificate %d\n",
                             PASSED_LISTEN, PASSED_TALK, PASSED_CERTIFICATE);
  for (int i = 0; i < plan->open_count; i++) {
    fds[count] = open(plan->opens[i].path, O_RDONLY | O_CLOEXEC);
    TRY(fds[count], "open %s", plan->opens[i].path);
    length += (size_t)snprintf(text + length, size - length, "fd %s %d\n", plan->opens[i].name, count);
    count++;
  }
  return keep_descriptors(fds, count, count, fault);
}

int start_service(const struct range *range, const struct plan *plan, const struct service *service,
                  const char *handover, enum start how, struct node *node, struct fault *fault) {
  static const char *const lines[] = {"", "successor 1\n", "successor 1\nwoken 1\n"};
  static char text[HANDOVER_MOST];
  int ends[2];
  TRY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "make the talk with the service");
  pid_t child = fork();
  if (child == 0) {
    (void)snprintf(text, sizeof text, "%s%s", handover, lines[how]);
    bool ready = join_service_group(&plan->cgroups, getpid(), fault) == 0 &&
                 pass_files(plan, service, ends[1], text, sizeof text, fault) == 0 &&
                 become_service(range, fault) == 0;
    if (ready && setenv("SANDRUN_HANDOVER", text, 1) == -1) ready = fail(fault, "hand over") == 0;
    if (ready) exec_node(service, "serve-run", fault);
    (void)fprintf(stderr, "sandrun: %s: %s\n", fault->step, strerror(fault->err));
    _exit(FAILED);
  }
  int result = child == -1 ? fail(fault, "start the service") : 0;
  close(ends[1]);
  if (result == -1) close(ends[0]);
  else *node = (struct node){.pid = child, .talk = ends[0]};
  return result;
}
