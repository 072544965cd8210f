"""A client: requests, and a WAMP login over a bare WebSocket."""

import base64
import json
import os
import socket


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def seen(self):
        """What the application has seen of the request."""
        return json.loads(self.body)

    def header(self, name):
        return next((value for key, value in self.headers if key == name), None)


class Connection:
    def __init__(self, port, patience=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self.ahead = b""

    def close(self):
        self.socket.close()

    def read(self, enough):
        while not enough(self.ahead):
            data = self.socket.recv(65536)
            if not data:
                raise EOFError("the connection ended")
            self.ahead += data

    def take(self, length):
        self.read(lambda ahead: len(ahead) >= length)
        taken, self.ahead = self.ahead[:length], self.ahead[length:]
        return taken

    def request(self, method, path, headers=(), body=""):
        lines = [f"{method} {path} HTTP/1.1", "Host: app.example"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        self.read(lambda ahead: b"\r\n\r\n" in ahead)
        head, self.ahead = self.ahead.split(b"\r\n\r\n", 1)
        status, *fields = head.decode().split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (field.partition(":") for field in fields)]
        answer = Answer(int(status.split(" ")[1]), headers, "")
        if answer.status != 101:
            answer.body = self.body(answer)
        return answer

    def body(self, answer):
        if answer.header("transfer-encoding") == "chunked":
            body = b""
            while True:
                self.read(lambda ahead: b"\r\n" in ahead)
                size, self.ahead = self.ahead.split(b"\r\n", 1)
                chunk = self.take(int(size, 16) + 2)[:-2]
                if not chunk:
                    return body.decode()
                body += chunk
        return self.take(int(answer.header("content-length") or 0)).decode()

    def upgrade(self, path, headers=()):
        key = base64.b64encode(os.urandom(16)).decode()
        offer = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", key)]
        return self.request("GET", path, [*offer, *headers])

    def send_message(self, message):
        data = json.dumps(message).encode()
        mask = os.urandom(4)
        length = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + len(data).to_bytes(2, "big")
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
        self.socket.sendall(b"\x81" + length + mask + masked)

    def receive_message(self):
        length = self.take(2)[1] & 0x7F
        if length == 126:
            length = int.from_bytes(self.take(2), "big")
        return json.loads(self.take(length))


def fetch(port, method, path, headers=(), body="", patience=20):
    connection = Connection(port, patience)
    try:
        return connection.request(method, path, [*headers, ("Connection", "close")], body)
    finally:
        connection.close()


def come(port, ticket=None):
    """Opens a WebSocket at the gateway, as joe if there is a ticket. Gives the cookie and what WELCOME says."""
    connection = Connection(port)
    answer = connection.upgrade("/ws", [("Sec-WebSocket-Protocol", "wamp.2.json")])
    assert answer.status == 101, (answer.status, answer.body)
    cookie = answer.header("set-cookie").split(";")[0]
    roles = {"publisher": {}}
    methods = {"authmethods": ["ticket"], "authid": "joe"} if ticket else {"authmethods": ["anonymous"]}
    connection.send_message([1, "realm1", {"roles": roles, **methods}])
    if ticket:
        connection.receive_message()
        connection.send_message([5, ticket, {}])
    kind, _, details = connection.receive_message()
    assert kind == 2, details
    connection.close()
    return cookie, details
