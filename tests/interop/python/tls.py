"""Logs in over TLS with autobahn for Python on Twisted: by a ticket, and by a key that is bound to the TLS session (RFC 9266).

    python tls.py wss://localhost:8443/login AUTHORITY.pem

autobahn knows no channel binding but `tls-unique`, which TLS 1.3 has not. It signs the same for `tls-exporter` when it is given what
pyOpenSSL exports of the session. Ends with `N passed, N failed` and, if anything failed, exit code 1.
"""

import sys

import txaio

txaio.use_twisted()

from autobahn.twisted.wamp import ApplicationRunner, ApplicationSession  # noqa: E402
from autobahn.wamp.auth import create_authenticator  # noqa: E402
from twisted.internet import defer, reactor, ssl  # noqa: E402

PATIENCE = 10
REALM = "realm1"
TICKET = "interop-ticket"
PRIVATE_KEY = "07" * 32
BINDING = "tls-exporter"


def exported(session):
    """What RFC 9266 makes of the session, section 2."""
    connection = session._transport.transport.getHandle()
    assert connection.get_protocol_version_name() == "TLSv1.3", connection.get_protocol_version_name()
    return connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")


class Client(ApplicationSession):
    """Logs in and leaves; `done` fires with the reason of the end."""

    def onConnect(self):
        self.authenticator, channel, self.done = self.config.extra
        self.channel = channel
        extra = self.authenticator.authextra
        self.join(REALM, authmethods=[self.authenticator.name], authid="joe", authextra=extra)

    def onChallenge(self, challenge):
        if self.channel is None:
            return self.authenticator.on_challenge(self, challenge)
        assert challenge.extra["channel_binding"] == BINDING, challenge
        key = self.authenticator._privkey
        return key.sign_challenge(challenge, channel_id=self.channel(self), channel_id_type="tls-unique")

    def onJoin(self, details):
        assert (details.authid, details.authrole) == ("joe", "member"), details
        self.leave()

    def onLeave(self, details):
        if not self.done.called:
            self.done.callback(details.reason)
        self.disconnect()

    def onDisconnect(self):
        if not self.done.called:
            self.done.errback(AssertionError("the connection is gone"))


def scenarios():
    bound = {"channel_binding": BINDING}

    def key(extra):
        return create_authenticator("cryptosign", authid="joe", privkey=PRIVATE_KEY, authextra=dict(extra))

    closed = ("wamp.close.normal", "wamp.close.goodbye_and_out")
    yield "ticket", create_authenticator("ticket", authid="joe", ticket=TICKET), None, closed
    yield "cryptosign", key({}), None, closed
    yield "cryptosign, bound to the session", key(bound), exported, closed
    yield "cryptosign, bound to another session", key(bound), lambda _: bytes(32), ("wamp.error.not_authorized",)


@defer.inlineCallbacks
def main(url, authority):
    passed = failed = 0
    with open(authority, "rb") as file:
        options = ssl.optionsForClientTLS("localhost", trustRoot=ssl.Certificate.loadPEM(file.read()))
    for name, authenticator, channel, expected in scenarios():
        print(f"autobahn-tls: {name}", flush=True)
        try:
            done = defer.Deferred()
            done.addTimeout(PATIENCE, reactor)
            runner = ApplicationRunner(url, REALM, extra=(authenticator, channel, done), ssl=options)
            yield runner.run(Client, start_reactor=False)
            reason = yield done
            assert reason in expected, reason
            passed += 1
        except Exception as error:
            print(f"FAILED: {name}: {error!r}", flush=True)
            failed += 1
    print(f"{passed} passed, {failed} failed", flush=True)
    main.code = 1 if failed else 0
    reactor.stop()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} wss://localhost:PORT/PATH AUTHORITY.pem")
    reactor.callWhenRunning(main, *sys.argv[1:])
    reactor.run()
    sys.exit(main.code)
