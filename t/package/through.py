"""What a site's visitors see while something is done: through.py HELD LOST COMMAND ... runs the command, a second long at least. All
the time a visitor opens one WebSocket after the other through nginx, and another gets one page after the other. HELD is what
becomes of a WebSocket that was open before: a close code, or "open". LOST is how many of the two may meet nginx's 503, because
they were just being served: both (2), the WebSocket (1), or nobody (0)."""
import asyncio
import sys
import time
import urllib.request

import websockets

SITE = "127.0.0.1"
refused = []
served = {"websockets": 0, "pages": 0}


def connect():
    return websockets.connect(f"ws://{SITE}/chat/room1", origin=f"http://{SITE}", open_timeout=30)


def get_page():
    with urllib.request.urlopen(f"http://{SITE}/test/", timeout=30) as answer:
        assert b"<html" in answer.read()


async def open_websocket():
    page = await connect()
    page.transport.abort()


async def visit(kind, come, until):
    while not until.is_set():
        try:
            await come()
            served[kind] += 1
        except Exception as error:  # each one counts, whatever it is
            refused.append(f"{kind}: {error!r}")
        await asyncio.sleep(0.02)


async def main(held_becomes, lost, *command):
    held = await connect()
    done = asyncio.Event()
    visitors = [asyncio.create_task(visit("websockets", open_websocket, done)),
                asyncio.create_task(visit("pages", lambda: asyncio.to_thread(get_page), done))]
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    status = await process.wait()
    await asyncio.sleep(max(0, 1 - (time.monotonic() - began)))
    done.set()
    await asyncio.wait_for(asyncio.gather(*visitors), 60)
    became = "open"
    try:
        await asyncio.wait_for(await held.ping(), 5)
    except websockets.ConnectionClosed:
        became = str(held.close_code)
    print(f"status {status}, the one that was open: {became}; served {served}, refused {len(refused)}")
    print("\n".join(refused[:10]))
    of_pages = sum(text.startswith("pages") for text in refused)
    return (status == 0 and became == held_becomes and min(served.values()) > 0 and all("503" in text for text in refused)
            and len(refused) <= int(lost) and of_pages <= int(lost) // 2)


sys.exit(not asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 120)))
