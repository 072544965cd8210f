"""The proxies of examples/forward-auth, each as its configuration says: before the gateway and an application.

    python interop.py GATEWAY-BINARY FOLDER-OF-PROXIES

What is not installed is left out, and said. The last line is `N passed, N failed`.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app import App  # noqa: E402
from client import Connection, come, fetch  # noqa: E402
from common import START, check, end, free_ports, wait_for_port  # noqa: E402

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "forward-auth"
TICKET = "interop-ticket"

PROXIES = {
    "nginx": (["nginx.conf"], lambda folder: ["nginx", "-p", folder, "-c", "nginx.conf", "-g", "daemon off;"]),
    "caddy": (["Caddyfile"], lambda folder: ["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"]),
    "traefik": (["traefik.yml", "traefik-routes.yml"], lambda folder: ["traefik", "--configfile=traefik.yml"]),
    "envoy": (["envoy.yaml"], lambda folder: ["envoy", "-c", "envoy.yaml", "--concurrency", "1", "-l", "error", "--use-dynamic-base-id"]),
    "haproxy": (["haproxy.cfg", "forward-auth.lua"], lambda folder: ["haproxy", "-db", "-f", "haproxy.cfg"]),
}

IDENTITY = ["wampgate-authid", "wampgate-authrole", "wampgate-authmethod", "wampgate-client"]


class Scene:
    """A gateway, an application, and one proxy after the other."""

    def __init__(self, binary, folder):
        self.folder, self.app = Path(folder), App()
        self.public, self.questions, self.port = free_ports(3)
        self.processes = []
        self.start_gateway(binary)

    def ports_in(self, text):
        """The same configuration with ports that are free."""
        for known, port in {"8000": self.port, "8080": self.public, "8081": self.questions, "3000": self.app.port}.items():
            text = re.sub(rf"\b{known}\b", str(port), text)
        return text

    def start_gateway(self, binary):
        config = json.loads(self.ports_in((EXAMPLES / "gateway.json").read_text()))
        # Visitors who have not logged in come through as well, so that their headers can be looked at.
        config["transports"][1]["paths"]["auth"].update({"require": "cookie", "redirect": "https://app.example/login?to={uri}"})
        node = self.folder / "node"
        node.mkdir()
        (node / "config.json").write_text(json.dumps(config))
        self.gateway = self.start([binary, "run", "--node-dir", str(node)], "gateway", JOE_TICKET=TICKET)
        wait_for_port(self.questions, self.gateway, self.folder / "gateway.log")

    def start(self, command, name, **environment):
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment}
            )
        self.processes.append(process)
        return process

    def start_proxy(self, name):
        files, command = PROXIES[name]
        for file in files:
            (self.folder / file).write_text(self.ports_in((EXAMPLES / file).read_text()))
        process = self.start(command(str(self.folder)), name)
        wait_for_port(self.port, process, self.folder / f"{name}.log")
        # Traefik listens before it has read its routes.
        deadline = time.monotonic() + START
        while fetch(self.port, "GET", "/").status == 404 and time.monotonic() < deadline:
            time.sleep(0.05)
        return process

    def freeze_gateway(self):
        self.gateway.send_signal(signal.SIGSTOP)
        # The signal reaches one thread after the other.
        tasks = Path(f"/proc/{self.gateway.pid}/task")
        while any(task.joinpath("stat").read_text().rsplit(")", 1)[1].split()[0] != "T" for task in tasks.iterdir()):
            time.sleep(0.01)

    def stop(self, process):
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.processes.remove(process)

    def stop_all(self):
        for process in list(self.processes):
            self.stop(process)


def identity(seen):
    """What the application is told of the client; each header at most once."""
    # Applications that run by CGI or WSGI cannot tell `_` from `-`.
    found = {name: [value for key, value in seen["headers"] if key.replace("_", "-") == name] for name in IDENTITY}
    assert all(len(values) <= 1 for values in found.values()), found
    return [(values or [""])[0] for values in found.values()]


def try_proxy(scene, name):
    port, app = scene.port, scene.app
    spoofed = [("Wampgate-Authid", "root"), ("wampgate-authrole", "admin"), ("WAMPGATE-CLIENT", "x")]
    spoofed += [("Wampgate_Authid", "root"), ("wampgate_authmethod", "x")]
    joe, joes = come(port, TICKET)
    visitor, visitors = come(port)
    cookies = {"joe": [("Cookie", f"a=b; {joe}")], "visitor": [("Cookie", visitor)]}

    def reached(method, path, headers=(), body=""):
        before = len(app.seen)
        answer = fetch(port, method, path, headers, body)
        return answer, app.seen[before:]

    for headers in ([], spoofed, [("Cookie", "cbtid=AAAAAAAAAAAAAAAAAAAAAAAA")]):
        answer, seen = reached("GET", "/secret?x=1", headers)
        check(f"{name}: a request without a cookie that counts is refused", answer.status == 401 and not seen, answer.status)

    answer, seen = reached("GET", "/shop?id=1", [("Accept", "text/html")])
    # nginx takes it for an error.
    expected = (500, None) if name == "nginx" else (302, "https://app.example/login?to=%2Fshop%3Fid%3D1")
    is_so = (answer.status, answer.header("location")) == expected and not seen
    check(f"{name}: a browser is sent to the login page", is_so, (answer.status, answer.headers))

    expected = ["joe", "member", "ticket", joes["x_wampgate_public_id"]]
    for method, body in (("GET", ""), ("POST", "some=content"), ("DELETE", "")):
        answer, _ = reached(method, "/secret/a%20b?x=1", [*cookies["joe"], *spoofed], body)
        seen = answer.seen() if answer.status == 200 else None
        is_so = seen and (seen["method"], seen["path"], seen["body"], identity(seen)) == (method, "/secret/a%20b?x=1", body, expected)
        check(f"{name}: {method} of a client that has logged in passes with its identity", is_so, answer.body)

    answer, _ = reached("GET", "/secret", [*cookies["visitor"], *spoofed])
    is_so = answer.status == 200 and identity(answer.seen()) == ["", "", "", visitors["x_wampgate_public_id"]]
    check(f"{name}: a client that has not logged in cannot claim an identity", is_so, answer.body)

    answer = Connection(port).upgrade("/live", spoofed)
    check(f"{name}: a WebSocket without a cookie is refused", answer.status == 401, answer.status)
    connection = Connection(port)
    answer = connection.upgrade("/live", [*cookies["joe"], *spoofed])
    is_so = answer.status == 101 and identity(app.seen[-1]) == expected
    if is_so:
        connection.socket.sendall(b"ping-pong")
        is_so = connection.take(9) == b"ping-pong"
    check(f"{name}: a WebSocket passes with its identity", is_so, (answer.status, app.seen[-1:]))
    connection.close()

    scene.freeze_gateway()
    before, begun = len(app.seen), time.monotonic()
    try:
        status = fetch(port, "GET", "/slow", cookies["joe"], patience=4).status
    except TimeoutError:
        status = None
    took = time.monotonic() - begun
    scene.gateway.send_signal(signal.SIGCONT)
    # Traefik waits for 30 s, which no option changes.
    is_in_time = status in (401, 403, 500, 502, 503, 504) or (name == "traefik" and status is None)
    check(f"{name}: a gateway that hangs lets nothing through", is_in_time and len(app.seen) == before, (status, took))


def try_dead_gateway(scene, name):
    before = len(scene.app.seen)
    status = fetch(scene.port, "GET", "/secret", [("Cookie", "cbtid=AAAAAAAAAAAAAAAAAAAAAAAA")]).status
    is_so = status in (403, 500, 502, 503, 504) and len(scene.app.seen) == before
    check(f"{name}: a gateway that is gone lets nothing through", is_so, status)


def main():
    binary, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}{os.pathsep}/usr/sbin"
    names = [name for name in PROXIES if shutil.which(name)]
    for name in PROXIES.keys() - names:
        print(f"left out: {name} is not installed")
    with tempfile.TemporaryDirectory() as work:
        scene = Scene(binary, work)
        try:
            for name in names:
                proxy = scene.start_proxy(name)
                try:
                    try_proxy(scene, name)
                except (AssertionError, OSError, EOFError) as error:
                    check(f"{name}: all questions are answered", False, repr(error))
                scene.stop(proxy)
            scene.stop(scene.gateway)
            for name in names:
                proxy = scene.start_proxy(name)
                try_dead_gateway(scene, name)
                scene.stop(proxy)
        finally:
            scene.stop_all()
    end()


main()
