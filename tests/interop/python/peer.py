"""A WAMP session that tests can await: autobahn's asyncio client, with the handshake's headers at hand."""

import asyncio
from http.cookies import SimpleCookie

import txaio

txaio.use_asyncio()

from autobahn.asyncio.wamp import ApplicationRunner, ApplicationSession  # noqa: E402
from autobahn.wamp.serializer import (  # noqa: E402
    CBORSerializer,
    JsonSerializer,
    MsgPackSerializer,
)

REALM = "realm1"
COOKIE = "cbtid"

# How long any single answer may take; far more than a gateway on the same machine needs.
PATIENCE = 10

SERIALIZERS = {
    "json": lambda: JsonSerializer(),
    "msgpack": lambda: MsgPackSerializer(),
    "cbor": lambda: CBORSerializer(),
    "json.batched": lambda: JsonSerializer(batched=True),
    "msgpack.batched": lambda: MsgPackSerializer(batched=True),
    "cbor.batched": lambda: CBORSerializer(batched=True),
}


class Peer(ApplicationSession):
    """One session. `details` is autobahn's view of WELCOME, `welcome` the gateway's own `x_…` keys in it."""

    def __init__(self, config):
        super().__init__(config)
        loop = asyncio.get_running_loop()
        self.joined = loop.create_future()
        self.left = loop.create_future()
        self.gone = loop.create_future()
        self.welcome = {}
        self.headers = {}

    def onWelcome(self, welcome):
        self.welcome = dict(welcome.custom)

    def onJoin(self, details):
        # RawSocket has none.
        self.headers = dict(getattr(self._transport, "http_headers", None) or {})
        settle(self.joined, details)

    def onLeave(self, details):
        settle(self.left, details)
        if not self.joined.done():
            self.joined.set_exception(AssertionError(f"refused: {details.reason}: {details.message}"))
        self.disconnect()

    def onDisconnect(self):
        settle(self.gone, None)

    def onUserError(self, fail, msg):
        # An error that a registered procedure raises on purpose is the caller's business, not a fault to log.
        pass

    @property
    def details(self):
        return self.joined.result()

    @property
    def set_cookie(self):
        """The tracking cookie's morsel on the 101, or nothing."""
        return SimpleCookie(self.headers.get("set-cookie", "")).get(COOKIE)

    @property
    def public_authid(self):
        """What other clients are told, where the gateway says so."""
        return self.welcome.get("x_wampgate_public_id")

    async def bye(self, reason=None):
        """Says GOODBYE and waits until the gateway has answered and the connection is closed."""
        self.leave(reason)
        details = await soon(self.left)
        await soon(self.gone)
        return details


def settle(future, value):
    if not future.done():
        future.set_result(value)


async def soon(awaitable):
    """Waits, but not for ever."""
    return await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(awaitable)), PATIENCE)


async def join(url, serializer, cookie=None):
    """Connects, presenting a cookie if there is one (autobahn keeps no jar), and joins."""
    headers = {"Cookie": f"{COOKIE}={cookie}"} if cookie else None
    runner = ApplicationRunner(url, REALM, serializers=[SERIALIZERS[serializer]()], headers=headers)
    _, protocol = await soon(runner.run(Peer, start_loop=False))
    await soon(protocol.is_open)
    peer = protocol._session
    await soon(peer.joined)
    chosen = protocol.websocket_protocol_in_use
    assert chosen == f"wamp.2.{serializer}", f"asked for wamp.2.{serializer}, got {chosen}"
    return peer
