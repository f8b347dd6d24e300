"""proxy.py PORT TARGET: passes bytes between 127.0.0.1:PORT and 127.0.0.1:TARGET, with little room of its own."""
import asyncio
import socket
import sys

ROOM = 16 * 1024


def squeeze(writer):
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
    writer.transport.set_write_buffer_limits(high=ROOM)


async def pump(reader, writer):
    try:
        while data := await reader.read(ROOM):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.transport.abort()


async def serve(reader, writer):
    try:
        there, back = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]), limit=ROOM)
    except OSError:
        writer.transport.abort()
        return
    squeeze(writer)
    squeeze(back)
    await asyncio.gather(pump(reader, back), pump(there, writer))


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), limit=ROOM, backlog=1024)
    await server.serve_forever()


asyncio.run(main())
