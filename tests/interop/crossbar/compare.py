"""Runs what autobahn for Python and autobahn-js try against Crossbar.io itself, and against the gateway with Crossbar.io behind it.

    python compare.py GATEWAY-BINARY

The router is that of examples/crossbar-router, and the gateway joins it in both ways that the example has: with signed tickets, and by
anonymous-proxy. Each step that holds without the gateway has to hold with it; what Crossbar.io itself does otherwise is left out,
and said. The last line is `N passed, N failed`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from nacl.signing import SigningKey

INTEROP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(INTEROP))

from common import free_ports, wait_for_port  # noqa: E402

EXAMPLE = INTEROP.parents[1] / "examples" / "crossbar-router"
# Seconds in which one script has to end.
SCRIPT = 150

SCRIPTS = {
    "autobahn": [sys.executable, str(INTEROP / "python" / "interop.py")],
    "autobahn-features": [sys.executable, str(INTEROP / "python" / "features.py")],
    "autobahn-js": ["node", str(INTEROP / "autobahnjs" / "features.js")],
}


class Scene:
    """A router, and a gateway before it."""

    def __init__(self, binary, folder):
        self.folder, self.processes = Path(folder), []
        self.direct, self.tickets, self.port = free_ports(3)
        self.key = SigningKey.generate()
        self.start_router()
        self.start_gateway(binary)

    def start_router(self):
        node = self.folder / "crossbar"
        shutil.copytree(EXAMPLE / "crossbar", node)
        file = node / ".crossbar" / "config.json"
        config = json.loads(file.read_text())
        worker = config["workers"][0]
        worker["transports"][0]["endpoint"]["port"] = self.tickets
        # The scripts expect that a client which does not ask is not disclosed.
        for role in worker["realms"][0]["roles"]:
            role["permissions"][0]["disclose"] = {"caller": False, "publisher": False}
        # The way without the gateway: the router tracks and admits by itself.
        worker["transports"].append(
            {
                "type": "web",
                "endpoint": {"type": "tcp", "port": self.direct, "interface": "127.0.0.1"},
                "paths": {
                    "/": {"type": "json", "value": {}},
                    "ws": {
                        "type": "websocket",
                        "cookie": {"store": {"type": "memory"}},
                        "auth": {"anonymous": {"type": "static", "role": "frontend"}},
                    },
                },
            }
        )
        file.write_text(json.dumps(config))
        command = [str(Path(sys.executable).parent / "crossbar"), "start", "--cbdir", str(node / ".crossbar"), "--loglevel", "warn", "--color", "false"]
        # What it starts it finds on the path, and it writes keys to its home.
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {"WAMPGATE_KEY": self.key.verify_key.encode().hex(), "HOME": str(self.folder), "PATH": path}
        router = self.start(command, "router", node, environment)
        self.socket = node / ".crossbar" / "gateway.sock"
        for port in (self.tickets, self.direct):
            wait_for_port(port, router, self.folder / "router.log")

    def start_gateway(self, binary):
        path = json.loads((EXAMPLE / "wampgate.json").read_text())["transports"][0]["paths"]["ws"]

        def joining(auth, address):
            return {
                **path,
                "cookie": {"store": {"type": "memory"}},
                "auth": {"anonymous": {"type": "static", "role": "frontend"}},
                "upstream": {**path["upstream"], "addresses": [address], "auth": auth},
            }

        paths = {
            "/": {"type": "page"},
            "tickets": joining({"type": "ticket-token", "key": self.key.encode().hex()}, f"ws://127.0.0.1:{self.tickets}/"),
            "proxy": joining({"type": "crossbar"}, f"unix:{self.socket}:/"),
        }
        endpoint = {"type": "tcp", "interface": "127.0.0.1", "port": self.port}
        node = self.folder / "gateway"
        node.mkdir()
        (node / "config.json").write_text(json.dumps({"transports": [{"type": "web", "endpoint": endpoint, "paths": paths}]}))
        gateway = self.start([binary, "run", "--node-dir", str(node)], "gateway", node, {})
        wait_for_port(self.port, gateway, self.folder / "gateway.log")

    def start(self, command, name, folder, environment):
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment})
        self.processes.append(process)
        return process

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()


def outcome(command, url):
    """The steps of a script with whether they hold, and what the script has said."""
    try:
        ran = subprocess.run([*command, url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SCRIPT)
        said = ran.stdout
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"").decode(errors="replace")
    failed = set(re.findall(r"^FAILED: (.+)$", said, re.MULTILINE))
    return {step: step not in failed for step in re.findall(r"^autobahn[^:]*: (.+)$", said, re.MULTILINE)}, said


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(sys.argv[1], folder)
        try:
            for name, command in SCRIPTS.items():
                alone, _ = outcome(command, f"ws://127.0.0.1:{scene.direct}/ws")
                for step, holds in alone.items():
                    if not holds:
                        print(f"left out, since Crossbar.io itself does otherwise: {name}: {step}")
                if not any(alone.values()):
                    failed += 1
                    print(f"FAILED: {name}: nothing holds without the gateway")
                for way in ("tickets", "proxy"):
                    through, said = outcome(command, f"ws://127.0.0.1:{scene.port}/{way}")
                    worse = [step for step, holds in alone.items() if holds and not through.get(step, False)]
                    for step in worse:
                        print(f"FAILED: {name} by {way}: {step}")
                    if worse:
                        print(said)
                    failed += len(worse)
                    passed += sum(alone.values()) - len(worse)
                    print(f"{name} by {way}: {sum(alone.values()) - len(worse)} of {sum(alone.values())} steps hold as without the gateway", flush=True)
        finally:
            scene.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
