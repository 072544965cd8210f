"""Runs Autobahn's cases for WebSocket servers, as kosoku has them, against a path of type `websocket-testee`, or one of type
`websocket-proxy` in front of it.

    interop.py ws://127.0.0.1:8080/echo

The cases are frames, pings, reserved bits, opcodes, fragments, UTF-8, closing and automatic fragmentation: 1 to 7 and 10. Those
left out measure the speed (9), and offer compression, which the gateway declines (12 and 13). The last line is `N passed, N failed`.
"""

import asyncio
import os
import sys

from kosoku import FailureError, run_fuzzingclient

CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]

# All of them at least: a suite that ran nothing would find nothing.
FEWEST = 240

# Autobahn's own names. Informational cases have no right answer; where UTF-8 breaks in the middle of a frame, a server may notice
# at its end.
BEHAVIOR = {"OK", "NON-STRICT", "INFORMATIONAL"}
CLOSING = {"OK", "INFORMATIONAL"}


async def results(url):
    """The cases that ran; where some failed, kosoku gives those alone."""
    try:
        return await run_fuzzingclient(url, CASES, None, concurrency=8)
    except FailureError as failure:
        return failure.results


def main():
    outcome = asyncio.run(results(sys.argv[1]))
    failed = 0
    for case in outcome:
        behavior, closing = case.behavior.value, case.behavior_close.value
        if behavior not in BEHAVIOR or closing not in CLOSING:
            failed += 1
            print(f"FAILED: case {case.case_id}: {behavior}, closing {closing}: {case.description}")
    if failed == 0 and len(outcome) < FEWEST:
        failed += 1
        print(f"FAILED: only {len(outcome)} cases ran")
    print(f"{max(len(outcome) - failed, 0)} passed, {failed} failed", flush=True)
    # Its threads abort the interpreter where they outlive it.
    os._exit(1 if failed else 0)


main()
