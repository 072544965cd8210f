"""Counts what holds and what does not, and says so line by line."""

import sys

passed = failed = 0


def check(what, is_so, said=""):
    global passed, failed
    if is_so:
        passed += 1
        print(f"ok: {what}")
    else:
        failed += 1
        print(f"FAILED: {what}: {said}")


def end():
    """Prints the last line, `N passed, N failed`, and ends the program."""
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)
