"""A browser's part: push.py URL MESSAGE COMMAND ... opens a WebSocket, runs the command, which has to push MESSAGE to it, answers
"thanks", and prints what the command printed. The status is 0 if all of that came about within ten seconds."""
import asyncio
import sys
import urllib.parse

import websockets


async def main(url, message, *command):
    parts = urllib.parse.urlsplit(url)
    async with websockets.connect(url, origin=f"http://{parts.netloc}") as page:
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        got = await page.recv()
        if got != message:
            sys.exit(f"the page got {got!r}")
        await page.send("thanks")
        said, _ = await process.communicate()
        print(said.decode(), end="")
        if process.returncode:
            sys.exit(f"{command[0]} ended with {process.returncode}")


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 10))
