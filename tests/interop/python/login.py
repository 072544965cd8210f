"""Logs in with autobahn for Python by every method that it has, comes back by cookie, and logs out.

    python login.py ws://127.0.0.1:8080/login

The gateway has cookie tracking, `auth.cookie`, and the principals below, in its configuration or in files that its
command has written. Ends with `N passed, N failed` and, if anything failed, exit code 1.
"""

import asyncio

from autobahn.wamp.auth import create_authenticator

from peer import COOKIE, PATIENCE, REALM, SERIALIZERS, Peer, soon
from runner import run_all

from autobahn.asyncio.wamp import ApplicationRunner

TIMEOUT = 120

# What the gateway's configuration in run.sh has the other half of.
TICKET = "interop-ticket"
SECRET = "interop-secret"
PRIVATE_KEY = "07" * 32

LOGOUT = "wamp.close.logout"


class Visitor(Peer):
    """A session that offers methods, and answers challenges with autobahn's own authenticators."""

    def __init__(self, config, methods, authenticator):
        super().__init__(config)
        self.methods = methods
        self.authenticator = authenticator
        self.challenges = 0

    def onConnect(self):
        extra = self.authenticator.authextra if self.authenticator else None
        authid = self.authenticator._args.get("authid") if self.authenticator else None
        self.join(REALM, authmethods=self.methods, authid=authid, authextra=extra or None)

    def onChallenge(self, challenge):
        self.challenges += 1
        answer = self.authenticator.on_challenge(self, challenge)
        # The one for SCRAM answers in bytes, which JSON does not have.
        return answer.decode() if isinstance(answer, bytes) else answer

    def onWelcome(self, welcome):
        super().onWelcome(welcome)
        # Only an answer to a challenge is followed by a proof of the gateway's.
        return self.authenticator.on_welcome(self, welcome.authextra) if self.challenges else None


async def visit(url, serializer, methods, authenticator=None, cookie=None):
    """Joins or raises; the session, and the cookie to come back with."""
    headers = {"Cookie": f"{COOKIE}={cookie}"} if cookie else None
    runner = ApplicationRunner(url, REALM, serializers=[SERIALIZERS[serializer]()], headers=headers)
    _, protocol = await soon(runner.run(lambda config: Visitor(config, methods, authenticator), start_loop=False))
    await soon(protocol.is_open)
    session = protocol._session
    await soon(session.joined)
    return session, session.set_cookie.value if session.set_cookie else cookie


def authenticators():
    yield "ticket", lambda: create_authenticator("ticket", authid="joe", ticket=TICKET)
    yield "wampcra", lambda: create_authenticator("wampcra", authid="joe", secret=SECRET)
    yield "wampcra", lambda: create_authenticator("wampcra", authid="salted", secret=SECRET)
    yield "scram", lambda: create_authenticator("scram", authid="joe", password=SECRET)
    yield "cryptosign", lambda: create_authenticator("cryptosign", authid="joe", privkey=PRIVATE_KEY)
    # The key tells who it is.
    yield "cryptosign", lambda: create_authenticator("cryptosign", privkey=PRIVATE_KEY)


def wrong_ones():
    yield "ticket", lambda: create_authenticator("ticket", authid="joe", ticket="guess")
    yield "wampcra", lambda: create_authenticator("wampcra", authid="joe", secret="guess")
    yield "wampcra", lambda: create_authenticator("wampcra", authid="eve", secret=SECRET)
    yield "scram", lambda: create_authenticator("scram", authid="joe", password="guess")
    yield "cryptosign", lambda: create_authenticator("cryptosign", authid="joe", privkey="08" * 32)


async def login(url, serializer, method, make):
    """Logs in, comes back by cookie as the same principal without being asked for anything, and gives the cookie up."""
    authenticator = make()
    session, cookie = await visit(url, serializer, [method], authenticator)
    assert cookie, "no cookie"
    first = cookie
    assert session.challenges == 1, f"{session.challenges} challenges"
    details = session.details
    expected = authenticator._args.get("authid", "joe")
    assert (details.authid, details.authrole) == (expected, "member"), details
    assert (details.authmethod, details.authprovider) == (method, "static"), details
    await session.bye()

    for methods in (["cookie"], [method, "cookie"]):
        again, cookie = await visit(url, serializer, methods, make(), cookie)
        assert again.challenges == 0, "a client that the cookie knows was challenged"
        assert (again.details.authid, again.details.authrole) == (expected, "member"), again.details
        assert (again.details.authmethod, again.details.authprovider) == (method, "cookie"), again.details
        await again.bye()
    assert cookie != first, "a login is followed by a new cookie"

    again, cookie = await visit(url, serializer, ["cookie"], None, cookie)
    details = await again.bye(LOGOUT)
    assert details.reason == "wamp.close.goodbye_and_out", details
    for old in (cookie, first):
        await logged_out(url, serializer, old)


async def logged_out(url, serializer, cookie):
    try:
        session, _ = await visit(url, serializer, ["cookie"], None, cookie)
    except AssertionError as error:
        assert "wamp.error.no_auth_method" in str(error), error
    else:
        raise AssertionError(f"after the logout, the cookie joined as {session.details.authid}")


async def refused(url, method, make):
    """A wrong secret opens nothing, and leaves a login that the cookie knows as it was."""
    session, cookie = await visit(url, "json", ["ticket"], create_authenticator("ticket", authid="joe", ticket=TICKET))
    await session.bye()
    session, cookie = await visit(url, "json", ["cookie"], None, cookie)
    await session.bye()
    try:
        session, _ = await visit(url, "json", [method], make(), cookie)
    except AssertionError as error:
        assert "wamp.error.not_authorized" in str(error), error
    else:
        raise AssertionError(f"joined as {session.details.authid}")
    session, _ = await visit(url, "json", ["cookie"], None, cookie)
    assert session.details.authid == "joe", session.details
    await session.bye()


def scenarios(url):
    for method, make in authenticators():
        authid = make()._args.get("authid", "the owner of the key")
        for serializer in ["json", "cbor"]:
            name = f"{method} as {authid} over {serializer}, back by cookie, and out"
            yield name, lambda m=method, a=make, s=serializer: login(url, s, m, a)
    for method, make in wrong_ones():
        authid = make()._args["authid"]
        yield f"{method} as {authid} with a wrong secret", lambda m=method, a=make: refused(url, m, a)


if __name__ == "__main__":
    run_all("autobahn login", scenarios, patience=3 * PATIENCE, limit=TIMEOUT)
