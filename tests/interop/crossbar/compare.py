"""Runs what autobahn for Python and autobahn-js try against Crossbar.io itself, and against the gateway with Crossbar.io behind it.

    python compare.py GATEWAY-BINARY

The router is that of examples/crossbar-router, and the gateway joins it in both ways that the example has: with signed tickets, and by
anonymous-proxy. Each step that holds without the gateway has to hold with it; what Crossbar.io itself does otherwise is left out,
and said. The same goes for a backend that knows the principals and decides what they may do, examples/dynamic.json: Crossbar.io and
the gateway take the same realms, roles and paths. The last line is `N passed, N failed`.
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

EXAMPLES = INTEROP.parents[1] / "examples"
EXAMPLE = EXAMPLES / "crossbar-router"
DYNAMIC = [sys.executable, str(INTEROP / "python" / "dynamic.py")]
# Seconds in which one script has to end.
SCRIPT = 150

SCRIPTS = {
    "autobahn": [sys.executable, str(INTEROP / "python" / "interop.py")],
    "autobahn-features": [sys.executable, str(INTEROP / "python" / "features.py")],
    "autobahn-js": ["node", str(INTEROP / "autobahnjs" / "features.js")],
}


class Processes:
    """Programs that run until `stop`, and what they have in their folder."""

    def __init__(self, folder):
        self.folder, self.processes = Path(folder), []

    def start_crossbar(self, node, ports, environment):
        """Starts Crossbar.io with the configuration in a folder, and waits until it listens."""
        command = [str(Path(sys.executable).parent / "crossbar"), "start", "--cbdir", str(node / ".crossbar"), "--loglevel", "warn", "--color", "false"]
        # What it starts it finds on the path, and it writes keys to its home.
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        router = self.start(command, "router", node, {"HOME": str(self.folder), "PATH": path, **environment})
        for port in ports:
            wait_for_port(port, router, self.folder / "router.log")

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


class Scene(Processes):
    """A router, and a gateway before it."""

    def __init__(self, binary, folder):
        super().__init__(folder)
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
        self.start_crossbar(node, (self.tickets, self.direct), {"WAMPGATE_KEY": self.key.verify_key.encode().hex()})
        self.socket = node / ".crossbar" / "gateway.sock"

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


class Dynamic(Processes):
    """Crossbar.io with what the gateway has from examples/dynamic.json."""

    def __init__(self, folder):
        super().__init__(folder)
        [self.port] = free_ports(1)
        config = json.loads((EXAMPLES / "dynamic.json").read_text())
        [transport] = config["transports"]
        transport["endpoint"].update(port=self.port, interface="127.0.0.1")
        transport["paths"]["/"] = {"type": "json", "value": {}}
        worker = {"type": "router", "realms": config["realms"], "transports": [transport]}
        node = self.folder / "crossbar"
        (node / ".crossbar").mkdir(parents=True)
        (node / ".crossbar" / "config.json").write_text(json.dumps({"version": 2, "workers": [worker]}))
        self.start_crossbar(node, [self.port], {})


def outcome(command, *arguments):
    """The steps of a script with whether they hold, and what the script has said."""
    try:
        ran = subprocess.run([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SCRIPT)
        said = ran.stdout
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"").decode(errors="replace")
    failed = set(re.findall(r"^FAILED: (.+)$", said, re.MULTILINE))
    return {step: step not in failed for step in re.findall(r"^(?:autobahn[^:.]*|dynamic): (.+)$", said, re.MULTILINE)}, said


def compare(name, alone, through):
    """How many steps hold with the gateway as without it, and how many do not. Each of the two is what `outcome` gives."""
    (alone, said_alone), (through, said) = alone, through
    for step, holds in alone.items():
        if not holds:
            print(f"left out, since Crossbar.io itself does otherwise: {name}: {step}")
    if not any(alone.values()):
        print(f"FAILED: {name}: nothing holds without the gateway")
        print(said_alone)
        return 0, 1
    worse = [step for step, holds in alone.items() if holds and not through.get(step, False)]
    for step in worse:
        print(f"FAILED: {name}: {step}")
    if worse:
        print(said)
    count = sum(alone.values())
    print(f"{name}: {count - len(worse)} of {count} steps hold as without the gateway", flush=True)
    return count - len(worse), len(worse)


def compare_scripts(binary, folder):
    scene = Scene(binary, folder)
    try:
        for name, command in SCRIPTS.items():
            alone = outcome(command, f"ws://127.0.0.1:{scene.direct}/ws")
            for way in ("tickets", "proxy"):
                yield compare(f"{name} by {way}", alone, outcome(command, f"ws://127.0.0.1:{scene.port}/{way}"))
    finally:
        scene.stop()


def compare_dynamic(binary, folder):
    router = Dynamic(folder)
    try:
        base = f"ws://127.0.0.1:{router.port}"
        yield compare("dynamic", outcome(DYNAMIC, f"{base}/ws", f"{base}/backend"), outcome(DYNAMIC, binary))
    finally:
        router.stop()


def main():
    passed = failed = 0
    for comparison in (compare_scripts, compare_dynamic):
        with tempfile.TemporaryDirectory() as folder:
            for holding, worse in comparison(sys.argv[1], folder):
                passed, failed = passed + holding, failed + worse
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
