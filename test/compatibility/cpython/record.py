"""Runs one module of CPython's regression tests and tells how each of its tests ended.

A line of JSON for each test, and one for the module, is appended to the file named first; the
rest of the arguments go to regrtest. Lines are written as tests end, so that what was found is
not lost when a test kills the process. Everything needed is bound before any test can replace it.
"""

import json
import os
import pwd
import socket
import sys


def excuse_probes():
    """Answers two questions for the tests that they ask while they are imported.

    "May I bind a Unix socket?" and "Is root called root?" expect any answer but a refusal, which
    takes the whole module along. The tests that hang on the answer are then skipped, and told.
    """
    from test.support import socket_helper

    try:
        socket.socket(socket.AF_UNIX).close()
    except PermissionError as refused:
        socket_helper._bind_nix_socket_error = refused
    try:
        pwd.getpwuid(0)
    except KeyError:
        if "test_tarfile" in sys.argv:
            import tarfile  # which has its own by now

            sys.modules["grp"] = None


if __name__ == "__main__":
    from test.libregrtest.main import Regrtest
    from test.support.testresult import RegressionTestResult

    TRACE_CHARACTERS = 6000
    log = os.path.abspath(sys.argv.pop(1))

    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    # For when a test has used up the descriptors.
    spare = os.open(log, flags, 0o666)
    spare_inode = os.fstat(spare).st_ino

    def note(_os=(os.open, os.write, os.close, os.fstat, os.getpid), _dumps=json.dumps,
             _main=os.getpid(), **line):
        opened, write, close, fstat, getpid = _os
        # Tests fork, and children that are tests themselves are not the module's.
        if getpid() != _main:
            return
        text = (_dumps(line) + "\n").encode()
        try:
            fd = opened(log, flags, 0o666)
        except OSError:
            if fstat(spare).st_ino == spare_inode:
                write(spare, text)
            return
        write(fd, text)
        close(fd)

    def id_of(test):
        try:
            return test.id()
        except Exception:
            return str(test)

    def tell(method, outcome):
        original = getattr(RegressionTestResult, method)

        def told(self, test, *rest):
            original(self, test, *rest)
            # What failed is formatted by unittest into a pair of the test and its trace.
            pairs = {"failed": self.failures, "error": self.errors}.get(outcome)
            text = str(pairs[-1][1])[-TRACE_CHARACTERS:] if pairs else ""
            note(test=id_of(test), outcome=outcome, text=rest[0] if outcome == "skipped" else text)

        setattr(RegressionTestResult, method, told)

    for method, outcome in (("addSuccess", "passed"), ("addExpectedFailure", "passed"),
                            ("addSkip", "skipped"), ("addFailure", "failed"),
                            ("addError", "error"), ("addUnexpectedSuccess", "unexpected")):
        tell(method, outcome)

    add_subtest = RegressionTestResult.addSubTest

    def tell_subtest(self, test, subtest, error):
        add_subtest(self, test, subtest, error)
        if error is None:
            return
        outcome = "failed" if issubclass(error[0], test.failureException) else "error"
        pairs = self.failures if outcome == "failed" else self.errors
        # Named by its test: what a subtest is called holds values that differ from run to run.
        note(test=id_of(test), outcome=outcome, text=str(pairs[-1][1])[-TRACE_CHARACTERS:])

    RegressionTestResult.addSubTest = tell_subtest

    excuse_probes()

    class Recording(Regrtest):
        def accumulate_result(self, result, rerun=False):
            note(module=result.name, outcome=type(result).__name__)
            super().accumulate_result(result, rerun)

    Recording().main()
