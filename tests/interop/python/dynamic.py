"""The example of a backend that knows the principals and decides what they may do: examples/dynamic.json and examples/dynamic.py.

    python dynamic.py GATEWAY-BINARY
    python dynamic.py ws://127.0.0.1:8080/ws ws://127.0.0.1:8080/backend

The second form takes a router that runs already, such as Crossbar.io with the same configuration. Ends with
`N passed, N failed` and, if anything failed, exit code 1.
"""

import asyncio
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from autobahn.wamp.auth import create_authenticator
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import PublishOptions

from login import visit
from peer import soon
from runner import main

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
PATIENCE = 30
ACKNOWLEDGED = PublishOptions(acknowledge=True)


async def comes(url, method, **secret):
    """Joins as the principal, or raises with the router's words."""
    session, _ = await visit(url, "json", [method], create_authenticator(method, **secret))
    return session


async def refused(url, reason, method, **secret):
    try:
        session = await comes(url, method, **secret)
    except AssertionError as error:
        assert reason in str(error), error
    else:
        raise AssertionError(f"joined as {session.details.authid}")


async def by_ticket(url):
    session = await comes(url, "ticket", authid="joe", ticket="joes-ticket")
    details = session.details
    assert (details.authid, details.authrole, details.authprovider) == ("joe", "user", "dynamic"), details
    assert details.authextra["greeting"] == "hello joe", details
    await session.bye()


async def by_wampcra(url):
    session = await comes(url, "wampcra", authid="ann", secret="anns-password")
    details = session.details
    assert (details.authid, details.authrole, details.authmethod) == ("ann", "user", "wampcra"), details
    await session.bye()


async def denied(call):
    try:
        await soon(call)
    except ApplicationError as error:
        assert error.error == "wamp.error.not_authorized", error
    else:
        raise AssertionError("allowed")


async def authorized(url):
    session = await comes(url, "ticket", authid="joe", ticket="joes-ticket")
    for _ in range(3):
        await soon(session.publish("com.example.user.joe.status", "here", options=ACKNOWLEDGED))
        await soon(session.subscribe(lambda: None, "com.example.public.news"))
        await denied(session.publish("com.example.user.ann.status", "here", options=ACKNOWLEDGED))
        await denied(session.publish("com.example.public.news", "x", options=ACKNOWLEDGED))
        await denied(session.register(lambda: None, "com.example.other"))
        await denied(session.call("com.example.authenticate", "realm1", "joe", {}))
    await session.bye()


def scenarios(url):
    yield "a ticket", lambda: by_ticket(url)
    yield "a wrong ticket", lambda: refused(
        url, "com.example.invalid_ticket", "ticket", authid="joe", ticket="guess"
    )
    yield "a salted secret", lambda: by_wampcra(url)
    yield "a wrong secret", lambda: refused(
        url, "wamp.error.not_authorized", "wampcra", authid="ann", secret="guess"
    )
    yield "an unknown principal", lambda: refused(url, "wamp.error", "wampcra", authid="eve", secret="guess")
    yield "what a session may do", lambda: authorized(url)


def start_gateway(binary, folder):
    config = json.loads((EXAMPLES / "dynamic.json").read_text())
    config["transports"][0]["endpoint"].update(port=0, interface="127.0.0.1")
    (folder / "config.json").write_text(json.dumps(config))
    log = (folder / "gateway.log").open("w")
    gateway = subprocess.Popen([binary, "run", "--node-dir", folder], stdout=subprocess.PIPE, stderr=log, text=True)
    for line in gateway.stdout:
        if found := re.search(r"listening on http://(127\.0\.0\.1:\d+)", line):
            return gateway, f"ws://{found[1]}"
    raise SystemExit("the gateway does not listen")


def run(url, backend_url):
    backend = subprocess.Popen(
        [sys.executable, EXAMPLES / "dynamic.py", backend_url, "change-me"], stdout=subprocess.PIPE, text=True
    )
    try:
        if not any("the backend is there" in line for line in backend.stdout):
            raise SystemExit("the backend has ended")
        return asyncio.run(main([url], "dynamic", scenarios, PATIENCE))
    finally:
        backend.kill()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        sys.exit(run(*sys.argv[1:]))
    with tempfile.TemporaryDirectory() as folder:
        gateway, base = start_gateway(sys.argv[1], Path(folder))
        try:
            code = run(f"{base}/ws", f"{base}/backend")
        finally:
            gateway.terminate()
            gateway.wait()
    sys.exit(code)
