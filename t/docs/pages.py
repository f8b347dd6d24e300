"""Pages that are open: WebSocket clients on a channel's URL, which note what they hear."""
import asyncio
import json
import ssl
import threading
import time

import websockets


class Page:
    """One client. With `answer` it sends that text when it hears its first message, with `says` it begins. `speaks` is a
    subprotocol: wspush.v1, of which it knows how to acknowledge."""

    def __init__(self, url, answer, says, speaks):
        self.url = url
        self.answer = answer
        self.says = says
        self.speaks = speaks
        self.heard = []
        self.closed = None  # the close code, once it is over
        self.opened = False

    async def live(self):
        tls = ssl.create_default_context() if self.url.startswith("wss:") else None
        if tls:
            tls.load_verify_locations("/etc/ssl/certs/www.example.com.pem")
        socket = await websockets.connect(self.url, ssl=tls, max_size=None, subprotocols=[self.speaks] if self.speaks else None)
        if self.says is not None:
            await socket.send(self.says)
        self.opened = True
        try:
            async for message in socket:
                self.heard.append(message)
                if self.speaks and "ack" in (said := json.loads(message)):
                    await socket.send(json.dumps({"ack": said["ack"]}))
                if self.answer is not None and len(self.heard) == 1:
                    await socket.send(self.answer)
        except websockets.ConnectionClosed:
            pass
        finally:
            await socket.close()
        self.closed = socket.close_code or 1006


class Browser:
    """Keeps pages in a thread of its own; a context manager for those of one block."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def open(self, urls, answer=None, says=None, speaks=None):
        pages = [Page(url, answer, says, speaks) for url in urls]
        tasks = [asyncio.run_coroutine_threadsafe(page.live(), self.loop) for page in pages]
        until(lambda: all(page.opened or task.done() for page, task in zip(pages, tasks)), "the pages to connect")
        for page, task in zip(pages, tasks):
            if not page.opened:
                raise AssertionError(f"{page.url} does not open: {task.exception()}")
        return Opened(pages, tasks)


class Opened:
    def __init__(self, pages, tasks):
        self.pages = pages
        self.tasks = tasks

    def __enter__(self):
        return self.pages

    def __exit__(self, *_):
        for task in self.tasks:
            task.cancel()
        until(lambda: all(task.done() for task in self.tasks), "the pages to close")


def until(condition, what, seconds=10):
    """Waits for a condition to give something true, and returns that."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.02)
    return result
