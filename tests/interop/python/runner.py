"""Runs scenarios one after the other, and tells how many of them hold."""

import asyncio
import sys
import traceback


async def main(urls, label, scenarios, patience):
    passed = failed = 0
    for name, run in scenarios(*urls):
        print(f"{label}: {name}", flush=True)
        try:
            await asyncio.wait_for(run(), patience)
            passed += 1
        except Exception:
            traceback.print_exc()
            print(f"FAILED: {name}", flush=True)
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def run_all(label, scenarios, patience, limit):
    """Takes the URLs from the command line; each scenario has `patience` seconds, all of them `limit`."""
    wanted = scenarios.__code__.co_argcount
    if len(sys.argv) != 1 + wanted:
        sys.exit(f"usage: {sys.argv[0]}" + wanted * " ws://HOST:PORT/PATH")
    sys.exit(asyncio.run(asyncio.wait_for(main(sys.argv[1:], label, scenarios, patience), limit)))
