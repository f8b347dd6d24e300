"""redis-py as Debian has it, blocking and asyncio, on the control socket."""
import asyncio
import json
import signal

import redis
import redis.asyncio

from check import CONTROL, Worker, browser, check, equal, hear, main, until


def connect(**options):
    return redis.Redis(unix_socket_path=CONTROL, **options)


async def apart(function, *args, **options):
    """In a thread, because a browser has to go on meanwhile."""
    return await asyncio.to_thread(function, *args, **options)


@check("publish gives the number of browsers reached, and they get the message")
async def _():
    with connect() as r:
        equal(r.publish("pr1", "hi"), 0)
        async with browser("pr1") as a, browser("pr1") as b:
            equal([r.publish("pr1", text) for text in ("hi", "", "房间 🙂", b"bytes")], [2] * 4)
            equal(await hear(a, 4), ["hi", "", "房间 🙂", "bytes"])
            equal(await hear(b, 4), ["hi", "", "房间 🙂", "bytes"])


@check("pipeline(): MULTI and EXEC around it")
async def _():
    with connect() as r:
        async with browser("pr2") as ws:
            pipe = r.pipeline()
            for i in range(100):
                pipe.publish("pr2", f"message {i}")
            pipe.execute_command("WS.COUNT", "pr2")
            pipe.ping()
            equal(pipe.execute(), [1] * 100 + [0, True])
            equal(await hear(ws, 100), [f"message {i}" for i in range(100)])


@check("pipeline(transaction=False): 5,000 publishes")
async def _():
    with connect() as r:
        async with browser("pr3") as ws:
            pipe = r.pipeline(transaction=False)
            for i in range(5000):
                pipe.publish("pr3", f"message {i}")
            equal(await apart(pipe.execute), [1] * 5000)
            equal(await hear(ws, 5000), [f"message {i}" for i in range(5000)])


@check("an error inside a pipeline is that command's alone")
async def _():
    with connect() as r:
        for transaction in (False, True):
            replies = (
                r.pipeline(transaction=transaction)
                .publish("pr4", "a").publish("bad#name", "b").publish("pr4", b"\xff").publish("pr4", "c")
                .execute(raise_on_error=False)
            )
            equal([replies[0], replies[3]], [0, 0])
            equal([type(reply) for reply in replies[1:3]], [redis.ResponseError] * 2)
            equal(["BADNAME" in str(replies[1]), "BADUTF8" in str(replies[2])], [True, True])
        equal(r.ping(), True)


@check("execute_command: WS.SEND with and without WAIT, BINARY, errors")
async def _():
    with connect(decode_responses=True) as r:
        async with browser("pr5") as ws:
            recipients, first = r.execute_command("WS.SEND", "pr5", "text")
            equal((recipients, first.endswith("-1")), (1, True), first)
            recipients, second = r.execute_command("ws.send", "pr5", b"\x00\xff\r\n", "binary")
            equal((recipients, second), (1, first[:-1] + "2"))
            sent = await apart(r.execute_command, "WS.SEND", "pr5", "x", "WAIT", "handed", "TIMEOUT", 5000)
            equal([sent[0], sent[2], sent[3]], [1, ["handed", 1], []])
            equal(await hear(ws, 3), ["text", b"\x00\xff\r\n", "x"])
            equal(r.execute_command("WS.SEND", "@all", "to all")[1], None)
            for command, word in (
                (("WS.SEND", "@nonsense", "x"), "BADNAME"),
                (("WS.SEND", "pr5", "x" * (1024 * 1024 + 1)), "TOOBIG limit 1048576"),
                (("WS.SEND", "@client:c999999999", "x"), "NOTARGET"),
                (("WS.SEND", "pr5", "x", "WAIT", "read"), "usage"),
            ):
                try:
                    r.execute_command(*command)
                    raise AssertionError(f"{command[:2]} is no error")
                except redis.ResponseError as error:
                    equal(word in str(error), True, f"{word} in {error}")


@check("execute_command: WS.WAIT, WS.READ, WS.COUNT, WS.HAS, WS.LIST, WS.CLOSE")
async def _():
    with connect() as r:
        async with browser("pr6") as ws:
            equal(await apart(r.execute_command, "WS.WAIT", "pr6", "TIMEOUT", 50), [b"timeout"])
            equal(r.execute_command("WS.READ", "pr6"), None)
            waiting = asyncio.create_task(apart(r.execute_command, "WS.WAIT", "pr6", "TIMEOUT", 9000))
            await ws.send("first")
            await ws.send(b"\x00\xff")
            client, channel, kind, payload, at, lost = await waiting
            equal((channel, kind, payload, lost), (b"pr6", b"text", b"first", 0))
            equal(at > 1_700_000_000_000, True)
            target = b"@client:" + client
            await until(lambda: r.execute_command("WS.COUNT", "pr6") == 1, "the second message")
            equal(r.execute_command("WS.HAS", target), 1)
            equal(r.execute_command("WS.READ", target)[2:4], [b"binary", b"\x00\xff"])
            (row,) = r.execute_command("WS.LIST", "pr6")
            row = dict(zip(row[::2], row[1::2]))
            equal((row[b"client"], row[b"channels"], row[b"msgs_in"]), (client, [b"pr6"], 2))
            equal(r.execute_command("WS.CLOSE", target, 4001, "over"), 1)
            await asyncio.wait_for(ws.wait_closed(), 10)
            equal((ws.close_code, ws.close_reason), (4001, "over"))
            equal(await apart(r.execute_command, "WS.WAIT", target, "TIMEOUT", 9000), [b"closed"])


@check("the health check's PING is answered")
async def _():
    with connect(health_check_interval=1) as r:
        equal(r.publish("pr7", "hi"), 0)
        connection = r.connection_pool.get_connection("PUBLISH")
        sent = []
        send = connection.send_command
        connection.send_command = lambda *args, **options: (sent.append(args[0]), send(*args, **options))[1]
        connection.next_health_check = 0
        r.connection_pool.release(connection)
        equal(r.publish("pr7", "hi"), 0)
        equal(sent, ["PUBLISH", "PING"], "what was sent")


@check("ping, echo, info, client_*, command_count, select, and a password that is refused")
async def _():
    with connect(client_name="python", decode_responses=True, db=0) as r:
        equal((r.ping(), r.echo("hello")), (True, "hello"))
        info = r.info()
        equal((info["redis_version"], info["loading"]), ("7.0.0", 0))
        equal("total_commands_processed" in r.info("stats"), True)
        equal((r.client_getname(), r.client_id() > 0), ("python", True))
        equal("python" in [client["name"] for client in r.client_list()], True)
        equal(r.command_count() > 20, True)
    for options, word in (({"db": 1}, "only database 0"), ({"password": "x"}, "no password")):
        with connect(**options) as r:
            try:
                r.ping()
                raise AssertionError(f"{options} is no error")
            except (redis.ResponseError, redis.ConnectionError) as error:
                equal(word.lower() in str(error).lower() or "Invalid Database" in str(error), True, str(error))


@check("twenty threads publish at a time over one pool")
async def _():
    with connect() as r:
        async with browser("pr9") as ws:
            def publish(who):
                return [r.publish("pr9", f"{who} {i}") for i in range(100)]

            got = await asyncio.gather(*[apart(publish, who) for who in range(20)])
            equal(got, [[1] * 100] * 20)
            heard = [tuple(map(int, text.split())) for text in await hear(ws, 2000)]
            for who in range(20):
                equal([i for w, i in heard if w == who], list(range(100)), f"the order of {who}'s messages")


@check("after the worker was restarted, and after it was killed, the next publish works")
async def _():
    async with Worker("pr10") as worker:
        with redis.Redis(unix_socket_path=worker.control) as r:
            equal(r.publish("pr10", "hi"), 0)
            for how in (signal.SIGTERM, signal.SIGKILL):
                await worker.end(how)
                try:
                    r.publish("pr10", "hi")
                    raise AssertionError("publishing without a worker is no error")
                except redis.ConnectionError:
                    pass
                await worker.start()
                equal(r.publish("pr10", "hi"), 0)


@check("redis.asyncio: publish, pipelines, and a WS.WAIT beside other commands")
async def _():
    r = redis.asyncio.Redis(unix_socket_path=CONTROL)
    try:
        async with browser("pr11") as ws:
            waiting = asyncio.create_task(r.execute_command("WS.WAIT", "pr11", "TIMEOUT", 9000))
            equal(await asyncio.gather(*[r.publish("pr11", f"{i}") for i in range(50)]), [1] * 50)
            equal(sorted(map(int, await hear(ws, 50))), list(range(50)))
            async with r.pipeline(transaction=True) as pipe:
                equal(await pipe.publish("pr11", "a").publish("pr11", "b").execute(), [1, 1])
            equal(waiting.done(), False)
            await ws.send("answer")
            equal((await waiting)[3], b"answer")
    finally:
        await r.close(close_connection_pool=True)


@check("pubsub(): subscribe, psubscribe, handlers, unsubscribe, and the health check's PING meanwhile")
async def _():
    with connect(decode_responses=True, health_check_interval=1) as r:
        handled = []
        p = r.pubsub()
        p.subscribe("pr12", "@in:pr12")
        p.psubscribe(**{"pr12/*": handled.append})

        async def heard():
            return await until(lambda: p.get_message(timeout=0.1), "a message")  # None is an answered PING, too

        equal([(m["type"], m["channel"], m["data"]) for m in [await heard() for _ in range(3)]],
              [("subscribe", "pr12", 1), ("subscribe", "@in:pr12", 2), ("psubscribe", "pr12/*", 3)])
        async with browser("pr12") as ws:
            equal(await apart(r.publish, "pr12", "hello"), 1)
            equal(await heard(), {"type": "message", "pattern": None, "channel": "pr12", "data": "hello"})
            await ws.send("answer")
            said = await heard()
            equal((said["channel"], json.loads(said["data"])["data"]), ("@in:pr12", "answer"))
        equal(r.publish("pr12/a", "by pattern"), 0)
        await until(lambda: p.get_message(timeout=0.1) is None and handled, "the handler's call")
        equal([(m["pattern"], m["channel"], m["data"]) for m in handled], [("pr12/*", "pr12/a", "by pattern")])
        p.connection.next_health_check = 0
        equal(r.publish("pr12", "before"), 0)
        p.check_health()
        equal(r.publish("pr12", "after"), 0)
        texts = []
        await until(lambda: texts.append((p.get_message(timeout=0.1) or {}).get("data")) or "after" in texts, "the messages")
        equal([text for text in texts if text], ["before", "after"])
        equal(r.pubsub_numsub("pr12"), [("pr12", 1)])
        equal((r.pubsub_channels("pr12*"), r.pubsub_numpat() >= 1), (["pr12"], True))
        p.unsubscribe()
        p.punsubscribe()
        left = [await heard() for _ in range(3)]
        equal((sorted(m["channel"] for m in left), left[-1]["data"]), (["@in:pr12", "pr12", "pr12/*"], 0))
        p.close()


@check("pubsub(): seventy subscriptions, one by one, come back by themselves after CLIENT KILL")
async def _():
    with connect(decode_responses=True) as r, connect(client_name="pr15", decode_responses=True) as other:
        p = other.pubsub()
        for i in range(70):
            p.subscribe(f"pr15/{i}")

        def message():
            try:
                return p.get_message(timeout=0.1)
            except redis.ConnectionError:
                return None  # it tells of the end once, and connects with the next call

        async def comes(kind, channel):
            await until(lambda: (m := message()) and (m["type"], m["channel"]) == (kind, channel), f"{kind} {channel}")

        await comes("subscribe", "pr15/69")
        (number,) = [client["id"] for client in r.client_list() if client["name"] == "pr15" and client["sub"] == "70"]
        equal(r.execute_command("CLIENT", "KILL", "ID", number), 1)
        await comes("subscribe", "pr15/69")
        equal(r.publish("pr15/69", "hello"), 0)
        await comes("message", "pr15/69")
        p.close()


@check("publish and WS.SEND to @user:, alone and in a pipeline; receipts by pong")
async def _():
    with connect(decode_responses=True) as r:
        async with browser("of/pr14/a") as a, browser("of/pr14/b") as b, browser("of/other/a"):
            equal(r.publish("@user:pr14", "hello"), 2)
            equal(r.pipeline().publish("@user:pr14", "in").publish("@user:nobody", "a pipeline").execute(), [2, 0])
            sent = await apart(r.execute_command, "WS.SEND", "@user:pr14", "x", "WAIT", "ponged")
            equal(sent, [2, None, ["ponged", 2], []])
            equal([await hear(a, 3), await hear(b, 3)], [["hello", "in", "x"]] * 2)


@check("monitor()")
async def _():
    with connect(decode_responses=True) as r:
        with r.monitor() as m:
            equal(r.publish("pr13", "secret"), 0)
            seen = await apart(m.next_command)
            equal((seen["command"], seen["client_type"], seen["db"]), ("PUBLISH pr13 (6 bytes)", "unix", 0))


main(f"python3-redis {redis.__version__}")
