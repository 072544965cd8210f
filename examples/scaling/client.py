"""A WAMP client that joins with a cookie and stays: `client.py HOST PORT COOKIE`. Says `joined`, and how the connection has ended."""

import base64
import json
import os
import socket
import sys

host, port, cookie = sys.argv[1:]
connection = socket.create_connection((host, int(port)))
stream = connection.makefile("rb")


def send(kind, payload):
    """A frame, masked as a client has to (RFC 6455, 5.3). All that are sent here are short."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    connection.sendall(bytes([0x80 | kind, 0x80 | len(payload)]) + mask + masked)


def receive():
    """The kind of a frame, and what it holds."""
    first, length = stream.read(2)
    if length > 125:
        length = int.from_bytes(stream.read(2 if length == 126 else 8), "big")
    return first & 0x0F, stream.read(length)


lines = [
    "GET /ws HTTP/1.1",
    f"Host: {host}:{port}",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
    "Sec-WebSocket-Protocol: wamp.2.json",
    f"Cookie: cbtid={cookie}",
]
connection.sendall("".join(line + "\r\n" for line in [*lines, ""]).encode())
status = stream.readline()
if b" 101 " not in status:
    sys.exit(f"refused: {status.decode().strip()}")
while stream.readline().strip():
    pass

# HELLO
send(1, json.dumps([1, "realm1", {"roles": {"subscriber": {}}}]).encode())
while True:
    try:
        kind, payload = receive()
    except ValueError:
        sys.exit("ended without a word")
    if kind == 1 and json.loads(payload)[0] == 2:
        print("joined", flush=True)
    elif kind == 9:
        send(10, payload)
    elif kind == 8:
        print(f"ended with {int.from_bytes(payload[:2], 'big')}", flush=True)
        break
