"""Joins a gateway with autobahn for Python and tries everything that an application relies on.

    python interop.py ws://127.0.0.1:8080/ws

The gateway has cookie tracking and no authentication (an authid is then the cookie's ID) and everything in realm1
is allowed. Ends with `N passed, N failed` and, if anything failed, exit code 1.
"""

import asyncio
import contextlib

from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import PublishOptions, RegisterOptions, SubscribeOptions

from peer import PATIENCE, SERIALIZERS, join, soon
from runner import run_all

# The whole run; each step has its own limit, so this only catches a client that hangs.
TIMEOUT = 240

# Values that a careless transcoder changes: the edges of 53, 63 and 64 bits, text of every plane, bytes, deep and empty things.
ARGS = [
    0,
    -1,
    2**53,
    2**63 - 1,
    -(2**63),
    2**64 - 1,
    1.5,
    -1e-7,
    True,
    None,
    "",
    "grüße, мир, 世界, 🚪",
    'quote " backslash \\ newline \n',
    b"",
    bytes(range(256)),
    [],
    {},
    [[[[["deep"]]]], {"a": {"b": [b"\x00\xff", {"c": None}]}}],
]
KWARGS = {"name": "ключ", "list": [1, [2, [3]]], "bytes": b"\xde\xad\xbe\xef", "nothing": None, "größe": 12}

TOPIC = "com.example.interop.topic"
ECHO = "com.example.interop.echo"
FAIL = "com.example.interop.fail"


def step(text):
    print(f"    {text}", flush=True)


@contextlib.asynccontextmanager
async def session(url, serializer, cookie=None):
    peer = await join(url, serializer, cookie)
    try:
        yield peer
    finally:
        if peer.is_attached():
            details = await peer.bye()
            assert details.reason in ("wamp.close.normal", "wamp.close.goodbye_and_out"), details.reason


async def identity(url, serializer):
    """A first visit gets a cookie and an authid; the cookie brings the authid back."""
    async with session(url, serializer) as first:
        assert first.set_cookie is not None, f"no Set-Cookie in {first.headers.keys()}"
        cookie = first.set_cookie.value
        authid = first.details.authid
        assert first.details.authmethod == "anonymous", first.details.authmethod
        assert first.details.authprovider == "static", first.details.authprovider
        assert authid == cookie, "without authentication, the authid is the cookie's ID"
        assert first.welcome.get("x_wampgate_known", False) is False, first.welcome
        public = first.public_authid
    step("first visit: a cookie, and an authid")

    async with session(url, serializer, cookie) as again:
        assert again.details.authid == authid, "the authid has changed"
        assert again.set_cookie is None, "a known client got a new cookie"
        assert again.welcome.get("x_wampgate_known", True) is True, again.welcome
        assert again.public_authid == public, "the public ID has changed"
        async with session(url, serializer, cookie) as beside:
            assert beside.details.authid == authid, "two connections of one client differ"
            assert beside.details.session != again.details.session
    step("reconnected: same authid, no new cookie, also twice at once")

    async with session(url, serializer) as stranger:
        assert stranger.details.authid != authid
    async with session(url, serializer, "zzzzzzzzzzzzzzzzzzzzzzzz") as forger:
        assert forger.set_cookie is not None, "an unknown cookie was adopted"
        assert forger.details.authid not in (authid, "zzzzzzzzzzzzzzzzzzzzzzzz")
    step("no cookie, and an unknown one: another client")


async def publish_subscribe(alice, bob):
    """Alice's events reach Bob unchanged, and stop when he unsubscribes."""
    events = asyncio.Queue()

    def on_event(*args, details=None, **kwargs):
        events.put_nowait((list(args), kwargs, details))

    subscription = await soon(bob.subscribe(on_event, TOPIC, options=SubscribeOptions(details_arg="details")))
    await soon(alice.publish(TOPIC, *ARGS, options=PublishOptions(acknowledge=True), **KWARGS))
    args, kwargs, details = await soon(events.get())
    same(args, ARGS)
    same(kwargs, KWARGS)
    step("published: arguments arrive unchanged")

    # autobahn cannot ask to be disclosed, and an open realm discloses no client that does not ask.
    if alice.public_authid is not None:
        assert details.publisher_authid is None, "the publisher was disclosed unasked"
    assert details.publisher_authid != alice.details.authid, "the publisher's cookie ID was shown to a subscriber"

    for number in range(100):
        alice.publish(TOPIC, number)
    for number in range(100):
        args, _, _ = await soon(events.get())
        assert args == [number], f"event {number} was {args}"
    step("published 100 times: all there, in order")

    await soon(subscription.unsubscribe())
    await soon(alice.publish(TOPIC, "after", options=PublishOptions(acknowledge=True)))
    # An answer to a later request shows that nothing else is on its way.
    await refused(bob.call("com.example.interop.nobody"), "wamp.error.no_such_procedure")
    assert events.empty(), f"an event after unsubscribing: {events.get_nowait()}"
    step("unsubscribed: no more events")


async def call_register(alice, bob):
    """Alice calls what Bob registers: results, application errors, and nothing once he unregisters."""
    callers = []

    def echo(*args, details=None, **kwargs):
        callers.append(details)
        return {"args": list(args), "kwargs": kwargs}

    def fail(*args, **kwargs):
        raise ApplicationError("com.example.error.teapot", *args, **kwargs)

    registration = await soon(bob.register(echo, ECHO, options=RegisterOptions(details_arg="details")))
    await soon(bob.register(fail, FAIL))
    result = await soon(alice.call(ECHO, *ARGS, **KWARGS))
    same(result["args"], ARGS)
    same(result["kwargs"], KWARGS)
    if alice.public_authid is not None:
        assert callers[0].caller_authid is None, "the caller was disclosed unasked"
    assert callers[0].caller_authid != alice.details.authid, "the caller's cookie ID was shown to a callee"
    step("called: arguments and result arrive unchanged")

    results = await soon(asyncio.gather(*(alice.call(ECHO, number) for number in range(50))))
    assert [result["args"] for result in results] == [[number] for number in range(50)]
    step("called 50 times at once: every caller its own result")

    error = await refused(alice.call(FAIL, *ARGS, **KWARGS), "com.example.error.teapot")
    same(list(error.args), ARGS)
    same({key: value for key, value in error.kwargs.items() if key in KWARGS}, KWARGS)
    step("application error: its URI and payload arrive unchanged")

    await refused(alice.register(echo, ECHO), "wamp.error.procedure_already_exists")
    await refused(alice.call("com.example.interop.nobody"), "wamp.error.no_such_procedure")
    await soon(registration.unregister())
    await refused(alice.call(ECHO), "wamp.error.no_such_procedure")
    step("registered twice, unknown, unregistered: each its error")


async def traffic(url, left, right):
    """Everything between two sessions, each with its own serializer."""
    async with session(url, left) as alice, session(url, right) as bob:
        await publish_subscribe(alice, bob)
        await call_register(alice, bob)


async def refused(awaitable, uri):
    try:
        answer = await soon(awaitable)
    except ApplicationError as error:
        assert error.error == uri, f"{error.error} instead of {uri}"
        return error
    raise AssertionError(f"{answer!r} instead of {uri}")


def same(got, expected):
    """Equal in type as well: 1 is not True, and text is not bytes."""
    assert repr(canonical(got)) == repr(canonical(expected)), f"{got!r} instead of {expected!r}"


def canonical(value):
    if isinstance(value, dict):
        return {key: canonical(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    return value


def scenarios(url):
    for serializer in SERIALIZERS:
        yield f"identity over {serializer}", lambda s=serializer: identity(url, s)
    plain = ["json", "msgpack", "cbor"]
    pairs = [(left, right) for left in plain for right in plain]
    pairs += [(f"{each}.batched", f"{each}.batched") for each in plain]
    pairs += [("json.batched", "cbor"), ("cbor", "msgpack.batched")]
    for left, right in pairs:
        yield f"traffic from {left} to {right} and back", lambda l=left, r=right: traffic(url, l, r)


if __name__ == "__main__":
    run_all("autobahn", scenarios, patience=6 * PATIENCE, limit=TIMEOUT)
