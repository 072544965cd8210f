"""Speaks RawSocket with autobahn for Python on Twisted: subscribes, publishes, registers and calls with every serializer.

    python rawsocket_twisted.py rs://127.0.0.1:8081

Ends with `N passed, N failed` and, if anything failed, exit code 1.
"""

import sys

import txaio

txaio.use_twisted()

from autobahn.twisted.wamp import ApplicationRunner, ApplicationSession  # noqa: E402
from autobahn.wamp.serializer import CBORSerializer, JsonSerializer, MsgPackSerializer  # noqa: E402
from autobahn.wamp.types import PublishOptions  # noqa: E402
from twisted.internet import defer, reactor  # noqa: E402

PATIENCE = 10
REALM = "realm1"
ARGS = [2**53, -1.5, "grüße, 世界, 🚪", b"\x00\xff", {"a": [None, True]}]


class Client(ApplicationSession):
    """Talks to itself and leaves; `done` fires then, or fails."""

    @defer.inlineCallbacks
    def onJoin(self, details):
        try:
            event, echo = defer.Deferred(), "com.example.interop.twisted"
            yield self.subscribe(lambda *args: event.callback(list(args)), echo)
            options = PublishOptions(acknowledge=True, exclude_me=False)
            yield self.publish(echo, *ARGS, options=options)
            got = yield event
            assert got == ARGS, got
            yield self.register(lambda *args: list(args), echo)
            got = yield self.call(echo, *ARGS)
            assert got == ARGS, got
            self.leave()
        except Exception:
            self.config.extra.errback()
            self.leave()

    def onLeave(self, details):
        done = self.config.extra
        if not done.called:
            expected = ("wamp.close.normal", "wamp.close.goodbye_and_out")
            done.callback(None) if details.reason in expected else done.errback(AssertionError(details))
        self.disconnect()

    def onDisconnect(self):
        if not self.config.extra.called:
            self.config.extra.errback(AssertionError("the connection is gone"))


@defer.inlineCallbacks
def main(url):
    passed = failed = 0
    for serializer in (JsonSerializer, MsgPackSerializer, CBORSerializer):
        name = serializer.__name__
        print(f"autobahn-twisted: {name}", flush=True)
        try:
            done = defer.Deferred()
            done.addTimeout(PATIENCE, reactor)
            runner = ApplicationRunner(url, REALM, extra=done, serializers=[serializer()])
            yield runner.run(Client, start_reactor=False)
            yield done
            passed += 1
        except Exception as error:
            print(f"FAILED: {name}: {error!r}", flush=True)
            failed += 1
    print(f"{passed} passed, {failed} failed", flush=True)
    main.code = 1 if failed else 0
    reactor.stop()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} rs://HOST:PORT")
    reactor.callWhenRunning(main, sys.argv[1])
    reactor.run()
    sys.exit(getattr(main, "code", 1))
