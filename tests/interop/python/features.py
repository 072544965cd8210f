"""Joins a gateway with autobahn for Python and tries what the realm has beyond plain events and calls.

    python features.py ws://127.0.0.1:8080/ws

Everything in realm1 is allowed. Ends with `N passed, N failed` and, if anything failed, exit code 1.
"""

import asyncio
import contextlib
import functools
import itertools

from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallOptions, PublishOptions, RegisterOptions, SubscribeOptions

from peer import PATIENCE, join, soon
from runner import run_all

# The whole run; each step has its own limit, so this only catches a client that hangs.
TIMEOUT = 240

SERIALIZERS = ["json", "msgpack", "cbor"]

number = itertools.count(1)


def fresh():
    """A URI that no other step has used."""
    return f"com.example.features.n{next(number)}"


@contextlib.asynccontextmanager
async def session(url, serializer):
    peer = await join(url, serializer)
    try:
        yield peer
    finally:
        await peer.bye()


async def subscribed(peer, topic, **options):
    """What a topic's subscriber gets, each as arguments and details."""
    events = asyncio.Queue()

    def on_event(*args, details=None):
        events.put_nowait((list(args), details))

    await soon(peer.subscribe(on_event, topic, options=SubscribeOptions(details_arg="details", **options)))
    return events


async def publish(peer, topic, *args, **options):
    await soon(peer.publish(topic, *args, options=PublishOptions(acknowledge=True, **options)))


async def register(peer, procedure, run, **options):
    return await soon(peer.register(run, procedure, options=RegisterOptions(**options)))


async def refused(awaitable, uri):
    try:
        answer = await soon(awaitable)
    except ApplicationError as error:
        assert error.error == uri, f"{error.error} instead of {uri}"
    else:
        raise AssertionError(f"{answer!r} instead of {uri}")


async def nothing(publisher, *subscribers):
    """No event has come to them: one that is published now is there first."""
    for peer, events in subscribers:
        topic = fresh()
        marker = await subscribed(peer, topic)
        await publish(publisher, topic)
        await soon(marker.get())
        assert events.empty(), f"an event for another session: {events.get_nowait()}"


async def patterns_of_topics(alice, bob, _):
    base = fresh()
    topic = f"{base}.room.door"
    queues = [
        await subscribed(bob, topic),
        await subscribed(bob, f"{base}.ro", match="prefix"),
        await subscribed(bob, f"{base}..door", match="wildcard"),
    ]
    await publish(alice, topic, "open")
    for events in queues:
        args, details = await soon(events.get())
        assert (args, details.topic) == (["open"], topic), f"{args}, {details}"


async def patterns_of_procedures(alice, bob, _):
    base = fresh()

    def name(text, details=None):
        return [text, details.procedure]

    for pattern, match in ((f"{base}.a.b", "exact"), (f"{base}.a", "prefix"), (f"{base}..c", "wildcard")):
        await register(bob, pattern, functools.partial(name, match), match=match, details_arg="details")
    for end, match in (("a.b", "exact"), ("a.c", "prefix"), ("x.c", "wildcard")):
        assert await soon(alice.call(f"{base}.{end}")) == [match, f"{base}.{end}"]


async def exclusion_and_eligibility(alice, bob, carol):
    topic = fresh()
    bobs, carols = await subscribed(bob, topic), await subscribed(carol, topic)
    for options in ({"exclude": [bob.details.session]}, {"eligible": [carol.details.session]}):
        await publish(alice, topic, "for carol", **options)
        await soon(carols.get())
    await publish(alice, topic, "for no role", eligible_authrole=["com.example.no.role"])
    await nothing(alice, (bob, bobs), (carol, carols))
    own = await subscribed(alice, topic)
    await publish(alice, topic, "for all", exclude_me=False)
    for events in (bobs, carols, own):
        assert (await soon(events.get()))[0] == ["for all"]


async def retained_events(alice, bob, _):
    topic = fresh()
    await publish(alice, topic, "kept", retain=True)
    args, details = await soon((await subscribed(bob, topic, get_retained=True)).get())
    assert (args, details.retained) == (["kept"], True)


async def progressive_results(alice, bob, _):
    procedure, parts = fresh(), []

    async def count(end, details=None):
        for part in range(end if details.progress else 0):
            details.progress(part)
        return "end"

    await register(bob, procedure, count, details_arg="details")
    assert await soon(alice.call(procedure, 5, options=CallOptions(on_progress=parts.append))) == "end"
    assert parts == [0, 1, 2, 3, 4], f"{parts}"
    assert await soon(alice.call(procedure, 5)) == "end"


async def time_outs(alice, bob, _):
    procedure = fresh()

    async def forever():
        await asyncio.Event().wait()

    await register(bob, procedure, forever)
    await refused(alice.call(procedure, options=CallOptions(timeout=50)), "wamp.error.timeout")


async def interrupts_of_a_caller_that_leaves(alice, bob, url):
    procedure, begun, ended = fresh(), asyncio.Event(), asyncio.Event()

    async def forever():
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.set()
            raise

    await register(bob, procedure, forever)
    async with session(url, "json") as mortal:
        mortal.call(procedure)
        await soon(begun.wait())
    await soon(ended.wait())


async def shared_registrations(alice, bob, carol):
    for invoke, expected in (
        ("first", ["bob"] * 4),
        ("last", ["carol"] * 4),
        ("roundrobin", ["bob", "bob", "carol", "carol"]),
        ("random", None),
    ):
        procedure = fresh()
        await register(bob, procedure, lambda: "bob", invoke=invoke)
        await register(carol, procedure, lambda: "carol", invoke=invoke)
        got = sorted([await soon(alice.call(procedure)) for _ in range(4)])
        assert expected in (None, got), f"{invoke}: {got}"
    procedure = fresh()
    await register(bob, procedure, lambda: "bob")
    await refused(carol.register(lambda: "carol", procedure), "wamp.error.procedure_already_exists")


async def one_invocation_at_once(alice, bob, _):
    procedure, now, most = fresh(), 0, 0

    async def work():
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.005)
        now -= 1

    await register(bob, procedure, work, invoke="roundrobin", concurrency=1)
    await soon(asyncio.gather(*(alice.call(procedure) for _ in range(4))))
    assert most == 1, f"{most}"


async def a_registration_that_another_session_takes(alice, bob, carol):
    procedure = fresh()
    await register(bob, procedure, lambda: "bob")
    await register(carol, procedure, lambda: "carol", force_reregister=True)
    assert await soon(alice.call(procedure)) == "carol"
    # autobahn ends a connection on which it is told a reason that it does not take.
    assert await soon(bob.call(procedure)) == "carol"


async def meta_events_and_procedures(alice, bob, _):
    procedure = fresh()
    created = await subscribed(alice, "wamp.registration.on_create")
    registration = await register(bob, procedure, lambda: None)
    args, _ = await soon(created.get())
    while args[1]["uri"] != procedure:
        args, _ = await soon(created.get())
    assert (args[0], args[1]["id"]) == (bob.details.session, registration.id), f"{args}"
    assert await soon(alice.call("wamp.registration.match", procedure)) == registration.id
    assert bob.details.session in await soon(alice.call("wamp.session.list"))
    details = await soon(alice.call("wamp.session.get", bob.details.session))
    assert details["transport"]["type"] == "websocket", f"{details}"
    await refused(alice.call("wamp.session.get", 1), "wamp.error.no_such_session")


async def testaments(alice, bob, url):
    topic = fresh()
    events = await subscribed(alice, topic)
    async with session(url, "json") as mortal:
        await soon(mortal.call("wamp.session.add_testament", topic, ["gone"], {}))
        assert events.empty()
    assert (await soon(events.get()))[0] == ["gone"]


FEATURES = [
    patterns_of_topics,
    patterns_of_procedures,
    exclusion_and_eligibility,
    retained_events,
    progressive_results,
    time_outs,
    shared_registrations,
    one_invocation_at_once,
    a_registration_that_another_session_takes,
    meta_events_and_procedures,
]
# These let a session of their own come and go.
WITH_ANOTHER = [interrupts_of_a_caller_that_leaves, testaments]


async def between(url, feature, one, two, three):
    async with session(url, one) as alice, session(url, two) as bob:
        if feature in WITH_ANOTHER:
            return await feature(alice, bob, url)
        async with session(url, three) as carol:
            return await feature(alice, bob, carol)


def scenarios(url):
    for at in range(3):
        # Each serializer on both sides of each feature.
        names = [SERIALIZERS[(at + place) % 3] for place in range(3)]
        for feature in FEATURES + WITH_ANOTHER:
            title = feature.__name__.replace("_", " ")
            yield f"{title}, {', '.join(names)}", functools.partial(between, url, feature, *names)


if __name__ == "__main__":
    run_all("autobahn", scenarios, patience=6 * PATIENCE, limit=TIMEOUT)
