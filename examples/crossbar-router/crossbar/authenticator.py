"""A dynamic authenticator of Crossbar.io that believes the tickets which wampgate signs ("ticket-token").

A ticket is a JSON Web Token of Ed25519 (EdDSA). It counts for half a minute, for one realm and one authid, and once.
The gateway's public key stands in the environment variable WAMPGATE_KEY, in 64 hexadecimal digits.
"""

import base64
import json
import os
import time

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.exception import ApplicationError
from nacl.signing import VerifyKey
from twisted.internet.defer import inlineCallbacks

ISSUER = "wampgate"
# How far the clocks of the gateway and this machine may be apart, in seconds.
LEEWAY = 5
REFUSED = "com.example.refused"


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class Authenticator(ApplicationSession):
    @inlineCallbacks
    def onJoin(self, details):
        self.key = VerifyKey(bytes.fromhex(os.environ["WAMPGATE_KEY"]))
        # The tickets that were seen and could still be used again, with the moment at which they end.
        self.seen = {}
        yield self.register(self.authenticate, "com.example.authenticate")

    def authenticate(self, realm, authid, details):
        try:
            signed, signature = details["ticket"].rsplit(".", 1)
            self.key.verify(signed.encode(), decoded(signature))
            header, claims = (json.loads(decoded(part)) for part in signed.split("."))
        except Exception:
            raise ApplicationError(REFUSED, "the ticket is none of the gateway's")
        now = time.time()
        self.seen = {jti: end for jti, end in self.seen.items() if end > now - LEEWAY}
        is_valid = (
            header["alg"] == "EdDSA"
            and claims["iss"] == ISSUER
            and claims["aud"] == realm
            and claims["sub"] == authid
            and claims["iat"] - LEEWAY <= now <= claims["exp"] + LEEWAY
            and claims["jti"] not in self.seen
        )
        if not is_valid:
            raise ApplicationError(REFUSED, "the ticket is for something else, or has counted already")
        self.seen[claims["jti"]] = claims["exp"]
        return {"realm": realm, "role": claims["role"], "authid": authid}
