"""A backend that knows the principals of examples/dynamic.json and decides what they may do.

    pip install autobahn
    wampgate run --config examples/dynamic.json
    python examples/dynamic.py ws://127.0.0.1:8080/backend change-me

Joe's ticket and Ann's secret are public, so replace them with what you have in a database.
"""

import asyncio
import sys

from autobahn.asyncio.component import Component
from autobahn.wamp.auth import derive_key
from autobahn.wamp.exception import ApplicationError

TICKETS = {"joe": "joes-ticket"}

SALT = {"salt": "salt123", "iterations": 100, "keylen": 32}
SECRETS = {"ann": derive_key("anns-password", SALT["salt"], SALT["iterations"], SALT["keylen"]).decode("ascii")}


async def authenticate(realm, authid, details):
    """The principal of a client: its role, and what verifies its answer to a challenge."""
    if details["authmethod"] == "ticket":
        if TICKETS.get(authid) != details.get("ticket"):
            raise ApplicationError("com.example.invalid_ticket", "this is not the ticket of {!r}".format(authid))
        return {"role": "user", "extra": {"greeting": "hello " + authid}}
    if authid not in SECRETS:
        # The gateway challenges the client all the same, so that nothing tells which principals exist.
        return None
    return {"role": "user", "secret": SECRETS[authid], **SALT}


async def authorize(session, uri, action, options):
    """Whether a session may do something: what is below its own name, and reading what is public."""
    if uri.startswith("com.example.user.{}.".format(session["authid"])):
        return {"allow": True, "disclose": True}
    # The same for every session of the role, so that the gateway need not ask again.
    return {"allow": action == "subscribe" and uri.startswith("com.example.public."), "cache": True}


def main(url, ticket):
    component = Component(
        transports=[{"type": "websocket", "url": url, "serializers": ["cbor"]}],
        realm="realm1",
        authentication={"ticket": {"authid": "backend", "ticket": ticket}},
    )

    @component.on_join
    async def joined(session, details):
        await session.register(authenticate, "com.example.authenticate")
        await session.register(authorize, "com.example.authorize")
        print("the backend is there", flush=True)

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(component.start(loop=loop))


if __name__ == "__main__":
    main(*sys.argv[1:])
