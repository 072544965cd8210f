"""An application behind wampgate that believes the signed assertion, and no other header.

    pip install "PyJWT[crypto]>=2.14"
    KEYS=http://127.0.0.1:8080/jwks python server.py

PyJWT keeps the keys, and fetches them again when a token names one that it does not know: without
`cooldown_duration=0` not within 30 seconds of the last fetch, so that the tokens of a new key would be refused.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

KEYS = jwt.PyJWKClient(os.environ.get("KEYS", "http://127.0.0.1:8080/jwks"), lifespan=300, cooldown_duration=0)


def who(headers):
    """The claims about the client; none: it has not logged in."""
    token = headers.get("Wampgate-Assertion")
    if not token:
        return None
    key = KEYS.get_signing_key_from_jwt(token)
    required = {"require": ["iss", "aud", "exp", "sub", "role"]}
    return jwt.decode(token, key, algorithms=["EdDSA", "ES256"], issuer="wampgate", audience="app", leeway=5, options=required)


class Application(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        try:
            client = who(self.headers)
        except jwt.PyJWTError as error:
            self.log_message("a request whose assertion does not count: %s", error)
            client = None
        body = json.dumps(client or {"error": "log in first"}).encode()
        self.send_response(200 if client else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Application).serve_forever()
