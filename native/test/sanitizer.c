/* How AddressSanitizer behaves in the sanitized build: the keeper starts without environment
 * variables. What it finds ends the process by a signal, so that no exit status hides it; a
 * process that ends by _exit, as ours do, is not searched for leaks. */
const char *__asan_default_options(void);

const char *__asan_default_options(void) {
  return "abort_on_error=1:detect_leaks=0:detect_stack_use_after_return=1:handle_abort=0";
}
