#!/usr/bin/python3
"""chaos.py BUILD, from the root of the repository: clients of three kinds read five channels through nginx while their
connections are cut, nginx workers killed, nginx reloaded, processes stopped. At the end every client that resumes has
every message once and in order, or was told, truly, that its place had left the history. The status is 1 if not.

CHAOS_SECONDS (60), CHAOS_CLIENTS (200), CHAOS_RATE (50 messages a second), CHAOS_THREADS (2), CHAOS_SEED (any).
"""
import asyncio
import contextlib
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
# pylint: disable=wrong-import-position
from clients import KINDS
from oracle import Oracle
from stage import Control, Proxy, Site, Trouble, send_signal

CHANNELS = [f"c{i}" for i in range(5)]
HISTORY_SECONDS = 4  # who stays away for longer is told so
SETTLE = 30


def setting(name, default):
    return int(os.environ.get("CHAOS_" + name) or default)


class Scene:
    """All that takes part."""

    def __init__(self, build):
        self.seconds, self.rate = setting("SECONDS", 60), setting("RATE", 50)
        self.seed = setting("SEED", time.time_ns() % 1000000)
        self.random = random.Random(self.seed)
        self.channels = CHANNELS
        self.threads = setting("THREADS", 2)
        history = self.rate * HISTORY_SECONDS // len(CHANNELS)
        self.oracle = Oracle(CHANNELS, history)
        self.site = Site(build, history, self.threads)
        self.proxy = Proxy(self.site.port)
        count = setting("CLIENTS", 200)
        self.clients = [KINDS[i % len(KINDS)](self, i) for i in range(count)]

    # ---- what happens ----

    async def publish(self, control):
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for i in range(self.seconds * self.rate):
            await asyncio.sleep(max(0, begin + i / self.rate - loop.time()))
            channel = CHANNELS[i % len(CHANNELS)]
            _, position = await control.call("WS.SEND", channel, self.oracle.text(channel))
            self.oracle.is_published(channel, position)

    def _away(self):
        return self.random.choices((self.random.uniform(0, 0.5), self.random.uniform(0.5, 3), self.random.uniform(5, 8)),
                                   (6, 3, 1))[0]

    async def cut(self):
        """One connection in ten is cut each second."""
        while True:
            await asyncio.sleep(self.random.expovariate(len(self.clients) / 10))
            if self.random.choice(self.clients).cut(self._away()):
                self.oracle.cuts["closed"] += 1

    async def kill(self):
        while True:
            await asyncio.sleep(self.random.uniform(3, 9))
            if workers := self.site.nginx_workers():
                send_signal(self.random.choice(workers), signal.SIGKILL)
                self.oracle.cuts["nginx worker killed"] += 1

    async def reload(self):
        while True:
            await asyncio.sleep(self.random.uniform(5, 12))
            self.site.reload_nginx()
            self.oracle.cuts["nginx reloaded"] += 1

    async def stop_proxy(self):
        while True:
            await asyncio.sleep(self.random.uniform(2, 6))
            self.oracle.cuts["proxy stopped"] += 1
            self.proxy.signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(self.random.uniform(0.3, 6))
            finally:
                self.proxy.signal(signal.SIGCONT)

    async def stop_nginx(self):
        while True:
            await asyncio.sleep(self.random.uniform(4, 10))
            if not (workers := self.site.nginx_workers()):
                continue
            pid = self.random.choice(workers)
            self.oracle.cuts["nginx worker stopped"] += 1
            send_signal(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(self.random.uniform(0.2, 2))
            finally:
                send_signal(pid, signal.SIGCONT)

    # ---- the run ----

    async def settle(self):
        """Every client that resumes is at the head of its channels, in time."""
        end = time.monotonic() + SETTLE
        waiting = [c for c in self.clients if c.resumes]
        while waiting and time.monotonic() < end:
            await asyncio.sleep(0.1)
            waiting = [c for c in waiting if not c.reader.is_at_end()]
        for client in waiting:
            self.oracle.fault("behind at the end", client.name, str(client.reader.positions))

    async def run(self):
        control = await Control().open(self.site.control)
        readers = [asyncio.create_task(client.run()) for client in self.clients]
        trouble = [asyncio.create_task(make()) for make in (self.cut, self.kill, self.reload, self.stop_proxy,
                                                           self.stop_nginx)]
        await self.publish(control)
        await end_tasks(trouble)
        await self.settle()
        await asyncio.sleep(1)  # what comes twice comes now
        await end_tasks(readers)
        info = await control.call("INFO")
        return int(info.split("uptime_in_seconds:")[1].split()[0])


async def end_tasks(tasks):
    """Python 3.11's wait_for() may take a cancellation for itself: they are cancelled until they end."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1)
    for task in tasks:
        if not task.cancelled() and task.exception():
            raise task.exception()


def report(scene):
    oracle = scene.oracle
    cuts = ", ".join(f"{what} {count}" for what, count in sorted(oracle.cuts.items()))
    print(f"messages {sum(oracle.published.values())}, received {oracle.counts['received']}, "
          f"connections {oracle.counts['connections']}, history {oracle.history} a channel")
    print(f"cuts: {cuts}")
    print(f"resumes {oracle.counts['resumes']}, resets explained {oracle.counts['resets explained']}")
    print(", ".join(f"{what} {oracle.counts[what]}" for what in oracle.FAULTS))
    for fault in oracle.faults:
        print("FAIL", fault)
    if not oracle.counts["resumes"] or not oracle.counts["resets explained"]:
        print("FAIL nothing was tried: too short, or too quiet")
        return 1
    return 1 if any(oracle.counts[what] for what in oracle.FAULTS) else 0


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    scene = Scene(sys.argv[1])
    print(f"chaos: seed {scene.seed}, {len(scene.clients)} clients, {scene.rate} messages/s, {scene.seconds} s, "
          f"{scene.threads} threads", flush=True)
    status = 1
    try:
        uptime = asyncio.run(scene.run())
        status = report(scene)
        if uptime < scene.seconds:
            print("FAIL the worker was started anew")
            status = 1
    except (Trouble, OSError) as e:
        print("FAIL", e)
    finally:
        scene.proxy.stop()
        if scene.site.stop():
            status = 1
        if status or "Sanitizer" in scene.site.said("wspushd.log"):
            print(scene.site.said("wspushd.log")[-6000:])
            status = 1
        with contextlib.suppress(OSError):
            scene.site.clean_up()
    return status


if __name__ == "__main__":
    sys.exit(main())
