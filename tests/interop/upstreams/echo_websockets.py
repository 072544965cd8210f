"""An application on the PyPI package `websockets`: it sends back what comes, and does what a command asks of it."""

import asyncio
import http
import json
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

endings = {}


async def obey(socket, command, rest):
    if command == "!headers":
        request = socket.request
        await socket.send(json.dumps({"headers": list(request.headers.raw_items()), "url": request.path}))
    elif command == "!close":
        await socket.close(int(rest[0]), " ".join(rest[1:]))
    elif command == "!kill":
        socket.transport.abort()
    elif command == "!ping":
        await (await socket.ping(rest[0]))
        await socket.send(f"pong {rest[0]}")
    elif command == "!fragments":
        await socket.send(iter(rest))
    elif command == "!watch":
        socket.watched = rest[0]
        await socket.send("watched")
    elif command == "!ended":
        while rest[0] not in endings:
            await asyncio.sleep(0.005)
        await socket.send(endings[rest[0]])
    else:
        return False
    return True


async def serve_one(socket):
    socket.watched = None
    try:
        async for message in socket:
            command, *rest = message.split(" ") if isinstance(message, str) else [""]
            if not await obey(socket, command, rest):
                await socket.send(message)
    except ConnectionClosed:
        pass
    finally:
        if socket.watched is not None:
            await socket.wait_closed()
            # What the client has sent, not what has come back.
            endings[socket.watched] = f"{socket.close_code} {socket.close_reason}"


def plain(connection, request):
    if "Upgrade" not in request.headers:
        return connection.respond(http.HTTPStatus.OK, "plain HTTP\n")
    return None


async def main():
    server = serve(
        serve_one,
        "127.0.0.1",
        int(sys.argv[1]),
        max_size=64 * 2**20,
        process_request=plain,
        subprotocols=["second"],
        select_subprotocol=lambda _, offered: "second" if "second" in offered else None,
        extensions=[ServerPerMessageDeflateFactory()],
    )
    async with server as running:
        await running.serve_forever()


asyncio.run(main())
