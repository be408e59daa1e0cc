"""What the Python clients share: tests that print a line each, and a clock that ends the program rather than let it hang."""
import faulthandler
import os
import sys
import traceback

PATIENCE = 60  # seconds that a single wait may take on a busy machine
OPTIONS = f"-c statement_timeout={PATIENCE}s"  # a wait in the server that hangs becomes an error

client = "?"
passed = failed = 0


def begin(name, seconds):
    """Names the client. After so many seconds the stacks are printed and the program ends, with status 1."""
    global client
    client = name
    faulthandler.dump_traceback_later(seconds, exit=True)


def report(test, problem=None):
    global passed, failed
    title = (test.__doc__ or test.__name__).strip()
    if problem is None:
        passed += 1
        print(f"ok {passed + failed} - {client}: {title}", flush=True)
    else:
        failed += 1
        print(f"not ok {passed + failed} - {client}: {title}", flush=True)
        print("".join("    " + line + "\n" for line in problem.splitlines()), flush=True)


def run(tests, call):
    """Runs each test by call(test), which may raise."""
    for test in tests:
        try:
            call(test)
        except BaseException:  # whatever it is, the next test shall run
            report(test, traceback.format_exc())
        else:
            report(test)


def end():
    sys.stdout.flush()
    os._exit(1 if failed else 0)  # not held up by a thread that hangs


def equal(got, expected):
    assert got == expected, f"got {got!r}, expected {expected!r}"
