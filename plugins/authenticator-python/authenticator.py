"""Clients whose name and ticket stand in the configuration are members. The cases are in cases.json."""

import hmac
import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.authentication import (
    AuthenticationRequest,
    Credential_None_,
    Credential_Remembered,
    Credential_Ticket,
    Known,
    Principal,
    Secret_Wampcra,
    SharedKey,
    Verdict,
    Verdict_Accept,
    Verdict_Secret,
    Verdict_Unknown,
)
from wit_world.imports.types import Requirements

# The role of all members: the realm must have it.
ROLE = "member"
# The shortest ticket: none that is shorter stands against guesses.
SHORTEST = 16


class Authentication(exports.Authentication):
    """Named after the interface that it implements. Any exception but an `Err` would be a trap, and its text lost."""

    def check_config(self, config: str) -> None:
        try:
            read_tickets(config)
        except Exception as fault:
            raise Err([describe(fault)])

    def needs(self, config: str) -> Requirements:
        """Names each request header that `authenticate` looks at: the gateway then does not run the authenticator without it."""
        return Requirements(headers=[], grants=[])

    def authenticate(self, config: str, request: AuthenticationRequest) -> Verdict:
        try:
            return authenticate(read_tickets(config), request)
        except Exception as fault:
            raise Err(describe(fault))


def describe(fault: Exception) -> str:
    """The text of a ValueError is meant for the operator; of anything else, its kind has to be told too."""
    return str(fault) if isinstance(fault, ValueError) else repr(fault)


def authenticate(tickets: dict[str, str], request: AuthenticationRequest) -> Verdict:
    method, credential = request.method, request.credential
    if method not in ("ticket", "wampcra"):
        raise ValueError(f"it knows principals of `ticket` and `wampcra`, and not of `{method}`")
    ticket = None if request.authid is None else tickets.get(request.authid)
    if isinstance(credential, Credential_None_) and method == "wampcra":
        # The challenge must not tell which names have a ticket. Nothing opens a session with the one that stands in for it.
        return Verdict_Unknown(known("unknown")) if ticket is None else Verdict_Secret(known(ticket))
    if ticket is None:
        return Verdict_Unknown(None)
    if isinstance(credential, Credential_Remembered):
        return Verdict_Accept(member())
    # In a time that does not tell how much of the ticket is right.
    if isinstance(credential, Credential_Ticket) and hmac.compare_digest(credential.value.encode(), ticket.encode()):
        return Verdict_Accept(member())
    return Verdict_Unknown(None)


def member() -> Principal:
    """A member joins under the name that it claims."""
    return Principal(authid=None, authrole=ROLE, realm=None, authextra=None)


def known(ticket: str) -> Known:
    return Known(principal=member(), secret=Secret_Wampcra(SharedKey(key=ticket, salting=None)))


def read_tickets(text: str) -> dict[str, str]:
    """Reads {"tickets": {"name": "ticket"}}. The ValueError says what to write instead."""
    try:
        config = json.loads(text)
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise ValueError("use a JSON object")
    for key in config:
        if key != "tickets":
            raise ValueError(f'unknown key "{key}": this authenticator knows only "tickets"')
    tickets = config.get("tickets", {})
    if not isinstance(tickets, dict) or not all(isinstance(ticket, str) and len(ticket) >= SHORTEST for ticket in tickets.values()):
        raise ValueError(
            f"tickets: use an object of names, each with a ticket of {SHORTEST} characters or more, "
            'such as {"ann": "q7ZrT2m9wXcK4vLb"}'
        )
    return tickets
