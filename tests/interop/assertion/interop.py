"""The applications of examples/assertion behind a gateway: they verify what it signs with PyJWT and jose, by the keys that it serves.

    python interop.py GATEWAY-BINARY

The last line is `N passed, N failed`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "forward_auth")]

from app import App  # noqa: E402
from client import come, fetch  # noqa: E402
from common import check, end, free_ports, until, wait_for_port  # noqa: E402

EXAMPLES = HERE.parents[2] / "examples" / "assertion"
TICKET = "interop-ticket"
KINDS = {"EdDSA": ["-algorithm", "ed25519"], "ES256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]}


class Scene:
    """A gateway, the two applications, and one that shows what it gets."""

    def __init__(self, binary, folder):
        self.folder, self.shows, self.processes = Path(folder), App(), []
        self.port, python, node = free_ports(3)
        self.applications = {"python": python, "node": node}
        self.configure(["EdDSA.pem", "ES256.pem"])
        for kind in KINDS:
            self.make_key(kind)
        self.gateway = self.start([binary, "run", "--node-dir", str(self.folder)], "gateway")
        # Node finds packages beside the script.
        shutil.copy(EXAMPLES / "server.mjs", HERE / "server.copy.mjs")
        keys = f"http://127.0.0.1:{self.port}/jwks"
        server = self.start([sys.executable, EXAMPLES / "server.py"], "python", KEYS=keys, PORT=str(python))
        other = self.start(["node", HERE / "server.copy.mjs"], "node", KEYS=keys, PORT=str(node))
        for port, process, name in [(self.port, self.gateway, "gateway"), (python, server, "python"), (node, other, "node")]:
            wait_for_port(port, process, self.folder / f"{name}.log")

    def make_key(self, kind):
        made = self.folder / "made.pem"
        subprocess.run(["openssl", "genpkey", *KINDS[kind], "-out", made], check=True, stderr=subprocess.DEVNULL)
        made.replace(self.folder / f"{kind}.pem")

    def configure(self, keys):
        def onward(port):
            assertion = {"keys": keys, "audience": "app", "lifetime": 5}
            return {"type": "proxy", "websocket": "/ws", "upstream": {"addresses": [f"http://127.0.0.1:{port}"]}, "assertion": assertion}

        principals = {"joe": {"ticket": TICKET, "role": "member"}}
        logins = {"anonymous": {"type": "static"}, "ticket": {"type": "static", "principals": principals}, "cookie": {}}
        paths = {
            "ws": {"type": "websocket", "cookie": {"store": {"type": "memory"}}, "auth": logins},
            "jwks": {"type": "jwks"},
            "shown": onward(self.shows.port),
            **{name: onward(port) for name, port in self.applications.items()},
        }
        web = {"type": "web", "endpoint": {"type": "tcp", "interface": "127.0.0.1", "port": self.port}, "paths": paths}
        web["options"] = {"allowed_hosts": ["*"]}
        (self.folder / "config.json").write_text(json.dumps({"transports": [web]}))

    def start(self, command, name, **environment):
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment})
        self.processes.append(process)
        return process

    def token(self, cookie):
        answer = fetch(self.port, "GET", "/shown", [("Cookie", cookie)])
        return next(value for name, value in answer.seen()["headers"] if name.lower() == "wampgate-assertion")

    def end(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(15)
        (HERE / "server.copy.mjs").unlink()


def told(answer):
    return answer.status, json.loads(answer.body)


def run(scene):
    joe, _ = come(scene.port, TICKET)
    visitor, _ = come(scene.port)
    for kind in KINDS:
        if kind == "ES256":
            # The other key signs, which both applications know already.
            scene.configure(["ES256.pem", "EdDSA.pem"])
            before = scene.token(joe).split(".")[0]
            scene.gateway.send_signal(signal.SIGHUP)
            until(lambda: scene.token(joe).split(".")[0] != before, "the reload")
        token = scene.token(joe)
        for name, port in scene.applications.items():
            status, claims = told(fetch(scene.port, "GET", f"/{name}", [("Cookie", joe)]))
            check(f"{kind}, {name}: joe is joe", status == 200 and (claims["sub"], claims["role"]) == ("joe", "member"), (status, claims))
            spoofed = [("Cookie", visitor), ("Wampgate-Assertion", token), ("wampgate_assertion", token)]
            status, claims = told(fetch(scene.port, "GET", f"/{name}", spoofed))
            check(f"{kind}, {name}: a visitor with joe's assertion is none", status == 401, (status, claims))
            status, claims = told(fetch(port, "GET", "/", [("Wampgate-Assertion", token)]))
            check(f"{kind}, {name}: the assertion counts by itself", status == 200, (status, claims))
            head, payload, signature = token.split(".")
            other = scene.token(joe).split(".")[1]
            status, claims = told(fetch(port, "GET", "/", [("Wampgate-Assertion", f"{head}.{other}.{signature}")]))
            check(f"{kind}, {name}: with other claims it does not", status == 401, (status, claims))
        # Its lifetime, and what clocks may differ by.
        time.sleep(11)
        for name, port in scene.applications.items():
            status, claims = told(fetch(port, "GET", "/", [("Wampgate-Assertion", token)]))
            check(f"{kind}, {name}: the assertion has ended", status == 401, (status, claims))
    # jose fetches keys again after 30 seconds only. The second new key comes less than that after PyJWT's last fetch.
    for number in ["new", "next"]:
        before = scene.token(joe).split(".")[0]
        scene.make_key("ES256")
        until(lambda: scene.token(joe).split(".")[0] != before, "the new key")
        status, claims = told(fetch(scene.port, "GET", "/python", [("Cookie", joe)]))
        check(f"python: a token of the {number} key counts at once", status == 200, (status, claims))


with tempfile.TemporaryDirectory() as folder:
    scene = Scene(sys.argv[1], folder)
    try:
        run(scene)
    finally:
        scene.end()
end()
