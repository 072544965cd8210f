"""Speaks RawSocket with autobahn for Python: everything among its sessions, with sessions on WebSockets, and every method.

    python rawsocket.py rs://127.0.0.1:8081 rs://127.0.0.1:8082 ws://127.0.0.1:8080/ws

The first transport lets every client in, the second one has the principals of login.py, and the third URL is a WebSocket of the same
realm. Ends with `N passed, N failed` and, if anything failed, exit code 1.
"""

import asyncio

from autobahn.asyncio.wamp import ApplicationRunner

from interop import call_register, publish_subscribe, refused, session
from login import Visitor, authenticators, wrong_ones
from peer import PATIENCE, REALM, SERIALIZERS, Peer, soon
from runner import run_all

TIMEOUT = 120

PLAIN = ["json", "msgpack", "cbor"]


class RawSocket:
    """A session over RawSocket for as long as a block takes. There is no handshake that tells of cookies."""

    def __init__(self, url, serializer, make=Peer):
        self.url, self.serializer, self.make = url, serializer, make

    async def __aenter__(self):
        made = asyncio.get_running_loop().create_future()

        def make(config):
            made.set_result(self.make(config))
            return made.result()

        runner = ApplicationRunner(self.url, REALM, serializers=[SERIALIZERS[self.serializer]()])
        await soon(runner.run(make, start_loop=False))
        self.peer = await soon(made)
        await soon(self.peer.joined)
        return self.peer

    async def __aexit__(self, *_):
        if self.peer.is_attached():
            details = await self.peer.bye()
            assert details.reason in ("wamp.close.normal", "wamp.close.goodbye_and_out"), details.reason


async def traffic(url, left, right):
    async with RawSocket(url, left) as alice, RawSocket(url, right) as bob:
        await publish_subscribe(alice, bob)
        await call_register(alice, bob)


async def mixed(url, websocket, serializer):
    async with RawSocket(url, serializer) as alice, session(websocket, "cbor") as bob:
        await publish_subscribe(alice, bob)
        await call_register(alice, bob)
    async with session(websocket, "json") as alice, RawSocket(url, serializer) as bob:
        await publish_subscribe(alice, bob)
        await call_register(alice, bob)


async def large(url, serializer):
    """Autobahn takes 16 MiB, the gateway 1 MiB: both sizes go through as far as they may."""
    async with RawSocket(url, serializer) as alice, RawSocket(url, serializer) as bob:
        await soon(bob.register(lambda text: text, "com.example.interop.large"))
        text = "x" * 1_000_000
        assert await soon(alice.call("com.example.interop.large", text)) == text
        await refused(alice.call("com.example.interop.nobody"), "wamp.error.no_such_procedure")


async def login(url, serializer, method, make):
    async with RawSocket(url, serializer, lambda config: Visitor(config, [method], make())) as peer:
        assert (peer.details.authmethod, peer.details.authrole) == (method, "member"), peer.details
        assert peer.challenges == 1


async def wrong(url, method, make):
    try:
        async with RawSocket(url, "json", lambda config: Visitor(config, [method], make())):
            pass
    except AssertionError as error:
        assert str(error).startswith("refused: "), error
        return
    raise AssertionError("a wrong secret let the client in")


def scenarios(url, login_url, websocket):
    for left in PLAIN:
        for right in PLAIN:
            yield f"traffic from {left} to {right} and back", lambda l=left, r=right: traffic(url, l, r)
    for serializer in PLAIN:
        yield f"traffic between {serializer} and WebSockets", lambda s=serializer: mixed(url, websocket, s)
        yield f"large messages in {serializer}", lambda s=serializer: large(url, s)
        for method, make in authenticators():
            yield f"{method} in {serializer}", lambda s=serializer, m=method, k=make: login(login_url, s, m, k)
    for method, make in wrong_ones():
        yield f"a wrong secret by {method}", lambda m=method, k=make: wrong(login_url, m, k)


if __name__ == "__main__":
    run_all("autobahn-rawsocket", scenarios, patience=6 * PATIENCE, limit=TIMEOUT)
