"""What the interop tests in Python share: steps that are counted, free ports, and waits."""

import socket
import sys
import time
from pathlib import Path

# Seconds in which a program has to listen, or to do what it is told. Envoy and Crossbar.io take their time on a busy machine.
START = 90

passed = failed = 0


def check(what, is_so, said=""):
    """Counts what holds and what does not, and says so line by line."""
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


def free_ports(count):
    """Ports that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def until(condition, what):
    """Waits until something holds."""
    deadline = time.monotonic() + START
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} takes too long")
        time.sleep(0.05)


def wait_for_port(port, process, log):
    """Waits until a program listens; the end of its log tells why it does not."""
    deadline = time.monotonic() + START
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{process.args[0]} does not listen:\n{Path(log).read_text()[-3000:]}")
            time.sleep(0.05)
