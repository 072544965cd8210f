"""Only returning visitors keep their name. The cases are in cases.json."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import (
    Decision,
    Decision_Anonymous,
    Decision_Defer,
    Decision_Deny,
    Decision_None_,
    Denial,
    Identity,
    JoinRequest,
    Requirements,
)


class Policy(exports.Policy):
    """Named after the interface that it implements. Any exception but an `Err` would be a trap, and its text lost."""

    def check_config(self, config: str) -> None:
        try:
            closed_realms(config)
        except Exception as fault:
            raise Err([describe(fault)])

    def needs(self, config: str) -> Requirements:
        """Names each request header that `decide` looks at: the gateway then does not run the policy without it."""
        return Requirements(headers=[], grants=[])

    def decide(self, config: str, request: JoinRequest) -> Decision:
        try:
            return decide(closed_realms(config), request)
        except Exception as fault:
            raise Err(describe(fault))


def describe(fault: Exception) -> str:
    """The text of a ValueError is meant for the operator; of anything else, its kind has to be told too."""
    return str(fault) if isinstance(fault, ValueError) else repr(fault)


def decide(closed: list[str], request: JoinRequest) -> Decision:
    cookie, hello, methods = request.cookie, request.hello, request.methods
    offered = hello.authmethods if hello else []

    if hello and hello.realm in closed:
        return deny("wamp.error.no_such_realm", "this realm is closed")
    for method in offered:
        if method == "anonymous" or method not in methods:
            continue
        # `cookie` can vouch only for a client that has logged in with this cookie before.
        if method == "cookie" and not (cookie and cookie.authentication):
            continue
        return Decision_Defer(method)
    if not includes_anonymous(methods) or not includes_anonymous(offered):
        return deny("wamp.error.no_auth_method", "offer a configured authentication method")
    if cookie is None or cookie.is_new:
        return Decision_None_()
    return Decision_Anonymous(Identity(authid=cookie.public_id, authrole=None, authextra=None))


def deny(reason: str, message: str) -> Decision:
    return Decision_Deny(Denial(reason, message))


def includes_anonymous(names: list[str]) -> bool:
    """An empty list means "anonymous": on the configuration's side as on the client's."""
    return not names or "anonymous" in names


def closed_realms(text: str) -> list[str]:
    """Reads {"closed_realms": ["..."]}. The ValueError says what to write instead."""
    try:
        config = json.loads(text)
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise ValueError("use a JSON object")
    for key in config:
        if key != "closed_realms":
            raise ValueError(f'unknown key "{key}": this policy knows only "closed_realms"')
    realms = config.get("closed_realms", [])
    if not isinstance(realms, list) or not all(isinstance(realm, str) for realm in realms):
        raise ValueError('closed_realms: use a list of realms, such as ["staff"]')
    return realms
