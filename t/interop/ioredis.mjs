/* npm's ioredis on the control socket. */
import Redis from "ioredis";
import {
  Browser, CONTROL, assert, check, equal, main, until, versionOf, withBrowser, withWorker, within,
} from "./check.mjs";

async function withRedis(options, body) {
  const redis = new Redis({ path: CONTROL, lazyConnect: true, ...options });
  redis.on("error", () => {});
  try {
    await within(redis.connect(), "the connection");
    return await body(redis);
  } finally {
    redis.disconnect();
  }
}

const isMessage = (reply, expected) => equal(reply.slice(1, 4), expected);

// Fields of a row of WS.LIST, be it a map or a flat array.
function fields(row) {
  if (!Array.isArray(row))
    return row instanceof Map ? Object.fromEntries(row) : { ...row };
  return Object.fromEntries(row.flatMap((v, i) => (i % 2 ? [] : [[v, row[i + 1]]])));
}

function checkWith(sentence, options, body) {
  check(sentence, () => withRedis(options, body));
}

checkWith("publish gives the number of browsers reached, and they get the message", {}, async (redis) => {
  equal(await redis.publish("io1", "hi"), 0);
  await withBrowser("io1", (a) => withBrowser("io1", async (b) => {
    for (const text of ["hi", "", "房间 🙂"])
      equal(await redis.publish("io1", text), 2);
    equal(await a.hear(3), ["hi", "", "房间 🙂"]);
    equal(await b.hear(3), ["hi", "", "房间 🙂"]);
  }));
});

checkWith("pipeline() and multi()", {}, (redis) => withBrowser("io2", async (page) => {
  const pipeline = redis.pipeline();
  for (let i = 0; i < 1000; i++)
    pipeline.publish("io2", `message ${i}`);
  equal(await pipeline.exec(), Array(1000).fill([null, 1]));
  equal(await page.hear(1000), Array.from({ length: 1000 }, (_, i) => `message ${i}`));
  equal(await redis.multi().publish("io2", "a").call("WS.COUNT", "io2").ping().exec(),
    [[null, 1], [null, 0], [null, "PONG"]]);
  const [good, bad, after] =
    await redis.pipeline().publish("io2", "b").publish("bad#name", "x").publish("io2", "c").exec();
  equal([good, after, /BADNAME/.test(bad[0].message)], [[null, 1], [null, 1], true]);
  await redis.multi({ pipeline: false });
  await redis.publish("io2", "d");
  equal(await redis.exec(), [[null, 1]]);
  equal(await page.hear(4), ["a", "b", "c", "d"]);
}));

checkWith("enableAutoPipelining: 5,000 publishes at a time arrive in order", { enableAutoPipelining: true }, (redis) =>
  withBrowser("io3", async (page) => {
    const texts = Array.from({ length: 5000 }, (_, i) => `message ${i}`);
    equal(await Promise.all(texts.map((text) => redis.publish("io3", text))), texts.map(() => 1));
    equal(await page.hear(5000), texts);
  }));

checkWith("call: WS.SEND with and without WAIT, BINARY, lower-case verbs, errors", {}, (redis) =>
  withBrowser("io4", async (page) => {
    const [recipients, id] = await redis.call("WS.SEND", "io4", "text");
    equal([recipients, /^\d+-1$/.test(id)], [1, true]);
    equal((await redis.call("ws.send", "io4", Buffer.from([0, 255, 13, 10]), "binary"))[0], 1);
    const sent = await redis.call("WS.SEND", "io4", "x", "WAIT", "handed", "TIMEOUT", 5000);
    equal([sent[0], fields(sent[2]), sent[3]], [1, { handed: 1 }, []]);
    equal(await page.hear(3), ["text", Buffer.from([0, 255, 13, 10]), "x"]);
    for (const [command, word] of [
      [["WS.SEND", "bad#name", "x"], /BADNAME/],
      [["WS.SEND", "io4", Buffer.from([0xff])], /BADUTF8 at byte 0/],
      [["WS.SEND", "io4", "x".repeat(1024 * 1024 + 1)], /TOOBIG limit 1048576/],
      [["WS.SEND", "@client:c999999999", "x"], /NOTARGET/],
      [["get", "x"], /ERR unknown command/],
    ])
      await assert.rejects(redis.call(...command), { message: word });
    equal(await redis.ping(), "PONG");
  }));

checkWith("call: WS.WAIT with a timeout, WS.READ, WS.COUNT, WS.LIST, WS.CLOSE", {}, (redis) =>
  withBrowser("io5", async (page) => {
    equal(await redis.call("WS.WAIT", "io5", "TIMEOUT", 50), ["timeout"]);
    equal(await redis.call("WS.READ", "io5"), null);
    const waiting = redis.call("WS.WAIT", "io5", "TIMEOUT", 9000);
    const behind = redis.publish("io5", "behind the wait");
    page.ws.send('["1","2","3"]');
    const got = await waiting;
    isMessage(got, ["io5", "text", '["1","2","3"]']);
    equal(await behind, 1);
    page.ws.send(Buffer.from([0, 255]));
    await until(async () => await redis.call("WS.COUNT", "io5") === 1, "the second message");
    equal((await redis.callBuffer("WS.READ", `@client:${got[0]}`))[3], Buffer.from([0, 255]));
    const [row] = await redis.call("WS.LIST", "io5");
    equal([fields(row).client, fields(row).channels, fields(row).msgs_in], [got[0], ["io5"], 2]);
    equal(await redis.call("WS.CLOSE", `@client:${got[0]}`, 4000, "done"), 1);
    equal(await page.end(), [4000, "done"]);
    equal(await redis.call("WS.WAIT", `@client:${got[0]}`, "TIMEOUT", 9000), ["closed"]);
  }));

for (const protocol of [2, 3]) {
  checkWith(`RESP${protocol}: subscribe and psubscribe, to channels, @in: and @events:, and their opposites`, {}, (redis) =>
    withRedis({ protocol }, async (watcher) => {
      const channel = `io6-${protocol}`;
      const heard = [];
      const hear = (name, text) => heard.push([name, name.startsWith("@") ? JSON.parse(text) : text]);
      watcher.on("message", hear);
      watcher.on("pmessage", (pattern, name, text) => hear(name, text));
      equal(await watcher.subscribe(channel, `@in:${channel}`), 2);
      equal(await watcher.psubscribe(`${channel}/*`, `@events:${channel}`), 4);
      await withBrowser(channel, async (page) => {
        equal(await redis.publish(channel, "hello"), 1);
        equal(await redis.publish(`${channel}/a`, "by pattern"), 0);
        page.ws.send("answer");
        await until(() => heard.length === 4, "what was watched");
        await page.close(1000);
      });
      await until(() => heard.length === 5, "the close");
      equal(heard.map(([name, what]) => [name, what.event ?? what.data ?? what]), [
        [`@events:${channel}`, "open"], [channel, "hello"], [`${channel}/a`, "by pattern"], [`@in:${channel}`, "answer"],
        [`@events:${channel}`, "close"],
      ]);
      equal(await redis.pubsub("NUMSUB", channel), [channel, 1]);
      equal(await watcher.unsubscribe(channel, `@in:${channel}`), 2);
      equal(await watcher.punsubscribe(), 0);
      equal(await watcher.ping(), "PONG");
    }));
}

for (const protocol of [2, 3]) {
  checkWith(`RESP${protocol}: seventy subscriptions, one by one, come back by themselves after CLIENT KILL`, {}, (redis) =>
    withRedis({ protocol }, async (watcher) => {
      const last = `io10-${protocol}/69`;
      const heard = [];
      watcher.on("message", (name, text) => heard.push([name, text]));
      const id = await watcher.client("ID");
      for (let i = 0; i < 70; i++)
        await watcher.subscribe(`io10-${protocol}/${i}`);
      const gone = new Promise((resolve) => watcher.once("close", resolve));
      equal(await redis.client("KILL", "ID", id), 1);
      await within(gone, "its end");
      await until(async () => (await redis.pubsub("NUMSUB", last))[1] === 1, "it to be back");
      equal(await redis.publish(last, "hello"), 0);
      await until(() => heard.length === 1, "the message");
      equal(heard, [[last, "hello"]]);
    }));
}

checkWith("publish and WS.SEND to @user:, alone and in a pipeline; receipts by pong", {}, (redis) =>
  withBrowser("of/io9/a", (a) => withBrowser("of/io9/b", async (b) => {
    equal(await redis.publish("@user:io9", "hello"), 2);
    equal(await redis.pipeline().publish("@user:io9", "in").publish("@user:nobody", "a pipeline").exec(),
      [[null, 2], [null, 0]]);
    const sent = await redis.call("WS.SEND", "@user:io9", "x", "WAIT", "ponged");
    equal([sent[0], sent[1], fields(sent[2]), sent[3]], [2, null, { ponged: 2 }, []]);
    equal(await a.hear(3), ["hello", "in", "x"]);
    equal(await b.hear(3), ["hello", "in", "x"]);
  })));

checkWith("monitor(): commands without what they send", {}, async (redis) => {
  const monitor = await within(redis.monitor(), "OK");
  const seen = [];
  monitor.on("monitor", (time, words) => seen.push(words));
  equal(await redis.publish("io8", "secret"), 0);
  await until(() => seen.some((words) => words[1] === "io8"), "the command");
  equal(seen.find((words) => words[1] === "io8"), ["publish", "io8", "(6 bytes)"]);
  monitor.disconnect();
});

checkWith("ping, echo, info, client, a connection's name", { connectionName: "io" }, async (redis) => {
  equal([await redis.ping(), await redis.ping("you"), await redis.echo("hello")], ["PONG", "you", "hello"]);
  equal((await redis.info()).includes("redis_version:7.0.0"), true);
  equal((await redis.client("ID")) > 0, true);
  equal(await redis.client("GETNAME"), "io");
  equal((await redis.client("LIST")).includes("lib-name=ioredis"), true);
  equal((await redis.duplicate().ping()), "PONG");
});

check("a password is an error of every command, a database that there is not an event", async () => {
  for (const [options, word, answer] of [
    [{ password: "secret" }, /no password/, "error"],
    [{ db: 1 }, /only database 0/, 0],
  ]) {
    const redis = new Redis({ path: CONTROL, retryStrategy: null, ...options });
    const errors = [];
    redis.on("error", (error) => errors.push(error.message));
    const reply = await within(redis.publish("io7", "hi").catch(() => "error"), "an answer");
    redis.disconnect();
    equal([reply, errors.length], [answer, 1]);
    assert.match(errors[0], word);
  }
});

check("reconnects by itself when the worker was restarted, and when it was killed; what waited is sent", () =>
  withWorker("io-restart", (worker) => {
    const options = { path: worker.control, retryStrategy: () => 50, maxRetriesPerRequest: null, connectionName: "again" };
    return withRedis(options, async (redis) => {
      for (const how of ["SIGTERM", "SIGKILL"]) {
        equal(await redis.publish("a", "hi"), 0);
        const waiting = redis.call("WS.WAIT", "a"); // is sent again by itself
        const away = new Promise((resolve) => redis.once("close", resolve));
        await worker.end(how);
        await within(away, "the client to notice");
        const publishing = redis.publish("a", "while the worker is away");
        await worker.start();
        const page = await Browser.open(`ws+unix:${worker.dir}/ws.sock:/a`);
        page.ws.send("hello");
        isMessage(await within(waiting, "the WS.WAIT that was sent again"), ["a", "text", "hello"]);
        equal(await within(publishing, "the publish that waited"), 1);
        page.ws.terminate();
        equal([redis.status, await redis.client("GETNAME")], ["ready", "again"]);
      }
    });
  }));

main(versionOf("ioredis"));
