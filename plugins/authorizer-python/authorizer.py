"""All sessions read what is open, and each one speaks there under its own name. The cases are in cases.json.

A prefix ends in a dot and has no empty component. So a pattern that begins with it, be it `prefix` or `wildcard`, covers nothing
that does not.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.authorization import Action, AuthorizationRequest, Keeping, Ruling, Scope
from wit_world.imports.types import Requirements

# How long the gateway may keep an answer, in seconds. Neither the configuration nor a session's authid changes meanwhile.
KEPT = 3600


class Authorization(exports.Authorization):
    """Named after the interface that it implements. Any exception but an `Err` would be a trap, and its text lost."""

    def check_config(self, config: str) -> None:
        try:
            read_open(config)
        except Exception as fault:
            raise Err([describe(fault)])

    def needs(self, config: str) -> Requirements:
        """An authorizer is shown no request headers."""
        return Requirements(headers=[], grants=[])

    def authorize(self, config: str, request: AuthorizationRequest) -> Ruling:
        try:
            return authorize(read_open(config), request)
        except Exception as fault:
            raise Err(describe(fault))


def describe(fault: Exception) -> str:
    """The text of a ValueError is meant for the operator; of anything else, its kind has to be told too."""
    return str(fault) if isinstance(fault, ValueError) else repr(fault)


def authorize(prefixes: list[str], request: AuthorizationRequest) -> Ruling:
    uri = request.uri
    behind = [uri[len(prefix) :] for prefix in prefixes if uri.startswith(prefix)]
    if request.action in (Action.CALL, Action.SUBSCRIBE):
        # The answer is the same for every session of the role.
        return Ruling(allow=bool(behind), disclose=False, keep=Keeping(seconds=KEPT, scope=Scope.ROLE))
    is_own = any(begins_with_name(rest, request.session.authid) for rest in behind)
    return Ruling(allow=is_own, disclose=is_own, keep=Keeping(seconds=KEPT, scope=Scope.SESSION))


def begins_with_name(rest: str, name: str) -> bool:
    """Whether the first component is this name. One with a dot could be two, and an empty component of a wildcard stands for any."""
    return name != "" and "." not in name and rest.startswith(f"{name}.")


def read_open(text: str) -> list[str]:
    """Reads {"open": ["..."]}. The ValueError says what to write instead."""
    try:
        config = json.loads(text)
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise ValueError("use a JSON object")
    for key in config:
        if key != "open":
            raise ValueError(f'unknown key "{key}": this authorizer knows only "open"')
    prefixes = config.get("open", [])
    if not isinstance(prefixes, list) or not all(isinstance(prefix, str) and is_prefix(prefix) for prefix in prefixes):
        raise ValueError(
            'open: use a list of prefixes that end in a dot and have no empty part, such as ["com.example.chat."]'
        )
    return prefixes


def is_prefix(text: str) -> bool:
    """Whether a text is components, each with a dot behind it."""
    return text.endswith(".") and "" not in text[:-1].split(".")
