/* What the keeper calls of the other parts of the native code, which may fail at any time. Included by keeper.c,
 * behind its fakes of system calls. */
#ifndef SANDRUN_FUZZ_NEIGHBOURS_H
#define SANDRUN_FUZZ_NEIGHBOURS_H

int find_hoarder(struct hoard *hoard, int slots) {
  (void)hoard;
  return (int)(take(&input) % (unsigned)(slots + 1)) - 1;
}

int start_template(struct template *templates, uint32_t number, int connection, struct fault *fault) {
  if (number >= TEMPLATES_MOST) return FAIL_WITH(fault, ERANGE, "number of a template");
  struct template *template = &templates[number];
  if (template->pid != 0 || maybe_fail() == -1) return FAIL_WITH(fault, EPERM, "start a template");
  *template = (struct template){.pid = next_pid++, .control = -1, .connection = connection};
  return 0;
}
bool hear_template(struct template *template) {
  template->is_ready = true;
  return maybe_fail() == 0;
}
void end_template(struct template *template) {
  if (template->pid != 0) fake_close(template->connection);
  *template = (struct template){0};
}
/* A box, or nothing: what it says of somebody else's process is between two parts that trust each other. */
pid_t bear_box(const struct template *template, const struct box_setup *setup, const struct lease *lease,
               struct fault *fault) {
  MUST(is_open[setup->stream] && is_open[lease->network] && is_open[lease->mounts]);
  if (template->pid == 0 || !template->is_ready || fake_clone(NULL) == -1) return FAIL_WITH(fault, ESRCH, "ask a template");
  return next_pid - 1;
}

int open_channel(int *ends, struct fault *fault) {
  return fake_pipe(ends) == -1 ? fail(fault, "make a channel") : 0;
}
void live_as_steward(const struct box_setup *setup, int control) {
  (void)setup, (void)control;
  abort();
}
pid_t ask_steward(const struct steward *steward, const struct box_setup *setup, struct fault *fault) {
  MUST(steward->pid > 0 && is_open[steward->control] && is_open[setup->stream]);
  return fake_clone(NULL) == -1 ? FAIL_WITH(fault, ESRCH, "ask a steward") : next_pid - 1;
}
void bury_steward(struct steward *steward) {
  fake_close(steward->control);
  *steward = (struct steward){0};
}
void end_steward(struct steward *steward) {
  if (steward->pid != 0) bury_steward(steward);
}

int build_base(const struct box_request *request, const struct tree *trees, int tree_count, struct fault *fault) {
  (void)request, (void)trees, (void)tree_count;
  return maybe_fail() == -1 ? fail(fault, "mount an overlay") : 0;
}

int enter_root(struct fault *fault) {
  return maybe_fail() == -1 ? fail(fault, "pivot") : 0;
}

int keep_descriptors(const int *fds, int count, int first_private, struct fault *fault) {
  (void)fds, (void)count, (void)first_private, (void)fault;
  abort();
}
void live_as_box(const struct box_setup *setup) {
  (void)setup;
  abort();
}
int compile_filter(struct filter *filter, struct fault *fault) {
  (void)filter, (void)fault;
  return 0;
}
int be_patient(struct fault *fault) {
  (void)fault;
  return 0;
}
int read_namespaces(unsigned long long *inodes, struct fault *fault) {
  (void)inodes, (void)fault;
  return 0;
}
enum tree_kind tree_kind_of(const char *name) {
  (void)name;
  return TREE_NAMED;
}

#endif
