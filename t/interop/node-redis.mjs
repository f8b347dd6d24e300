/* npm's redis on the control socket: RESP3, its default, and RESP2. */
import { createClient, createClientPool } from "redis";
import { CONTROL, check, equal, main, until, versionOf, withBrowser, withWorker, within, assert } from "./check.mjs";

async function withClient(options, body) {
  const client = createClient({ socket: { path: CONTROL }, ...options });
  client.on("error", () => {});
  await within(client.connect(), "the connection");
  try {
    return await body(client);
  } finally {
    client.destroy();
  }
}

const isMessage = (reply, expected) => equal(reply.slice(1, 4), expected);

let channels = 0;
for (const RESP of [3, 2]) {
  const both = (sentence, body) => {
    check(`RESP${RESP}: ${sentence}`, () => withClient({ RESP }, (client) => body(client, `nr${++channels}`)));
  };

  both("publish gives the number of browsers reached, and they get the message", async (client, channel) => {
    equal(await client.publish(channel, "hi"), 0);
    await withBrowser(channel, (a) => withBrowser(channel, async (b) => {
      for (const text of ["hi", "", "房间 🙂"])
        equal(await client.publish(channel, text), 2);
      equal(await a.hear(3), ["hi", "", "房间 🙂"]);
      equal(await b.hear(3), ["hi", "", "房间 🙂"]);
    }));
  });

  both("5,000 publishes at a time, which it pipelines, arrive in order", (client, channel) =>
    withBrowser(channel, async (page) => {
      const texts = Array.from({ length: 5000 }, (_, i) => `message ${i}`);
      equal(await Promise.all(texts.map((text) => client.publish(channel, text))), texts.map(() => 1));
      equal(await page.hear(5000), texts);
    }));

  both("multi() with exec and with execAsPipeline", (client, channel) =>
    withBrowser(channel, async (page) => {
      equal(await client.multi().publish(channel, "a").publish(channel, "b").addCommand(["WS.COUNT", channel]).exec(),
        [1, 1, 0]);
      equal(await client.multi().publish(channel, "c").ping().execAsPipeline(), [1, "PONG"]);
      equal(await page.hear(3), ["a", "b", "c"]);
    }));

  both("sendCommand: WS.SEND with and without WAIT, BINARY, lower-case verbs, errors", (client, channel) =>
    withBrowser(channel, async (page) => {
      const [recipients, id] = await client.sendCommand(["WS.SEND", channel, "text"]);
      equal([recipients, /^\d+-1$/.test(id)], [1, true]);
      equal((await client.sendCommand(["ws.send", channel, Buffer.from([0, 255, 13, 10]), "binary"]))[0], 1);
      const waited = ["WS.SEND", channel, "x", "WAIT", "handed", "TIMEOUT", "5000"];
      const [, , outcomes, failures] = await client.sendCommand(waited);
      equal(RESP === 3 ? { ...outcomes } : outcomes, RESP === 3 ? { handed: 1 } : ["handed", 1]);
      equal(failures, []);
      equal(await page.hear(3), ["text", Buffer.from([0, 255, 13, 10]), "x"]);
      for (const [command, word] of [
        [["WS.SEND", "bad#name", "x"], /BADNAME/],
        [["WS.SEND", channel, Buffer.from([0xff])], /BADUTF8 at byte 0/],
        [["WS.SEND", channel, "x".repeat(1024 * 1024 + 1)], /TOOBIG limit 1048576/],
        [["WS.SEND", "@client:c999999999", "x"], /NOTARGET/],
        [["GET", "x"], /ERR unknown command/],
      ])
        await assert.rejects(client.sendCommand(command), { message: word });
      equal(await client.ping(), "PONG");
    }));

  both("sendCommand: WS.WAIT with a timeout, WS.READ, WS.COUNT, WS.LIST, WS.CLOSE", (client, channel) =>
    withBrowser(channel, async (page) => {
      equal(await client.sendCommand(["WS.WAIT", channel, "TIMEOUT", "50"]), ["timeout"]);
      equal(await client.sendCommand(["WS.READ", channel]), null);
      const waiting = client.sendCommand(["WS.WAIT", channel, "TIMEOUT", "9000"]);
      const behind = client.publish(channel, "behind the wait");
      page.ws.send('["1","2","3"]');
      const got = await waiting;
      isMessage(got, [channel, "text", '["1","2","3"]']);
      equal(await behind, 1);
      page.ws.send("second");
      await until(async () => await client.sendCommand(["WS.COUNT", channel]) === 1, "the second message");
      isMessage(await client.sendCommand(["WS.READ", `@client:${got[0]}`]), [channel, "text", "second"]);
      const [row] = await client.sendCommand(["WS.LIST", channel]);
      const pairs = (flat) => Object.fromEntries(flat.flatMap((v, i) => (i % 2 ? [] : [[v, flat[i + 1]]])));
      const fields = RESP === 3 ? { ...row } : pairs(row);
      equal([fields.client, fields.channels, fields.msgs_in, fields.address], [got[0], [channel], 2, "127.0.0.1"]);
      equal(await client.sendCommand(["WS.CLOSE", `@client:${got[0]}`, "4000", "done"]), 1);
      equal(await page.end(), [4000, "done"]);
      equal(await client.sendCommand(["WS.WAIT", `@client:${got[0]}`, "TIMEOUT", "9000"]), ["closed"]);
    }));

  both("subscribe and pSubscribe, to channels, @in: and @events:, and their opposites", (client, channel) =>
    withClient({ RESP }, async (watcher) => {
      const heard = [];
      const hear = (text, name) => heard.push([name, name.startsWith("@") ? JSON.parse(text) : text]);
      await watcher.subscribe([channel, `@in:${channel}`], hear);
      await watcher.pSubscribe([`${channel}/*`, `@events:${channel}`], hear);
      await withBrowser(channel, async (page) => {
        equal(await client.publish(channel, "hello"), 1);
        equal(await client.publish(`${channel}/a`, "by pattern"), 0);
        page.ws.send("answer");
        await until(() => heard.length === 4, "what was watched");
        await page.close(1000);
      });
      await until(() => heard.length === 5, "the close");
      const { client: name } = heard[0][1];
      equal(heard.map(([where, what]) => [where, typeof what === "string" ? what : { ...what, time: 0 }]), [
        [`@events:${channel}`, { event: "open", client: name, time: 0 }],
        [channel, "hello"],
        [`${channel}/a`, "by pattern"],
        [`@in:${channel}`, { client: name, type: "text", data: "answer", time: 0 }],
        [`@events:${channel}`, { event: "close", client: name, code: 1000, time: 0 }],
      ]);
      if (RESP === 3)
        equal(await watcher.publish(channel, "and everything else goes on"), 0);
      equal({ ...await client.pubSubNumSub([channel]) }, { [channel]: 1 });
      equal(await client.pubSubChannels(`${channel}*`), [channel]);
      await watcher.unsubscribe();
      await watcher.pUnsubscribe();
      equal({ ...await client.pubSubNumSub([channel]) }, { [channel]: 0 });
      equal(String(await watcher.ping()), "PONG"); // in RESP2 it gives a Buffer after a subscription
    }));

  both("publish and WS.SEND to @user:, alone and in multi(); receipts by pong", (client, channel) =>
    withBrowser(`of/${channel}/a`, (a) => withBrowser(`of/${channel}/b`, async (b) => {
      const user = `@user:${channel}`;
      equal(await client.publish(user, "hello"), 2);
      equal(await client.multi().publish(user, "in").publish("@user:nobody", "a transaction").exec(), [2, 0]);
      const [recipients, id, outcomes, failures] = await client.sendCommand(["WS.SEND", user, "x", "WAIT", "ponged"]);
      equal([recipients, id, failures], [2, null, []]);
      equal(RESP === 3 ? { ...outcomes } : outcomes, RESP === 3 ? { ponged: 2 } : ["ponged", 2]);
      equal(await a.hear(3), ["hello", "in", "x"]);
      equal(await b.hear(3), ["hello", "in", "x"]);
    })));

  both("ping, echo, info, clientId, clientInfo, a name", async (client) => {
    equal([await client.ping(), await client.ping("you"), await client.echo("hello")], ["PONG", "you", "hello"]);
    const info = await client.info();
    equal([info.includes("redis_version:7.0.0"), info.includes("loading:0")], [true, true]);
    equal((await client.clientId()) > 0, true);
    await client.clientSetName("node");
    equal(await client.clientGetName(), "node");
    equal((await client.sendCommand(["CLIENT", "INFO"])).includes(`resp=${RESP}`), true);
    equal((await client.hello(RESP)).server, "wspush");
  });
}

check("a pool: WS.WAIT on one connection, publishes on others", async () => {
  const pool = createClientPool({ socket: { path: CONTROL } }, { minimum: 2, maximum: 4 });
  pool.on("error", () => {});
  await within(pool.connect(), "the pool");
  try {
    await withBrowser("nr-pool", async (page) => {
      const waiting = pool.execute((client) => client.sendCommand(["WS.WAIT", "nr-pool", "TIMEOUT", "9000"]));
      for (let i = 0; i < 20; i++)
        equal(await pool.execute((client) => client.publish("nr-pool", `message ${i}`)), 1);
      equal((await page.hear(20)).length, 20);
      page.ws.send("answer");
      isMessage(await waiting, ["nr-pool", "text", "answer"]);
    });
  } finally {
    pool.destroy();
  }
});

check("a password or a database that there is not is an error of connecting", async () => {
  for (const [options, word] of [[{ password: "secret" }, /no password/], [{ database: 1 }, /only database 0/]]) {
    const client = createClient({ socket: { path: CONTROL, reconnectStrategy: false }, ...options });
    client.on("error", () => {});
    await assert.rejects(within(client.connect(), "the connection"), { message: word });
    if (client.isOpen)
      client.destroy();
  }
});

check("reconnects by itself when the worker was restarted, and when it was killed; what waited is sent", () =>
  withWorker("nr-restart", (worker) =>
    withClient({ socket: { path: worker.control, reconnectStrategy: () => 50 }, name: "again" }, async (client) => {
      for (const how of ["SIGTERM", "SIGKILL"]) {
        equal(await client.publish("a", "hi"), 0);
        const waiting = assert.rejects(client.sendCommand(["WS.WAIT", "a"]));
        await until(async () => (await lastCommands(worker)).includes("cmd=ws.wait"), "WS.WAIT to have begun");
        const ready = new Promise((resolve) => client.once("ready", resolve));
        await worker.end(how);
        await within(waiting, "WS.WAIT to fail");
        await until(() => !client.isReady, "the client to notice");
        const publishing = client.publish("a", "while the worker is away");
        await worker.start();
        await within(ready, "ready");
        equal(await within(publishing, "the publish that waited"), 0);
        equal(await client.clientGetName(), "again");
      }
    })));

// CLIENT LIST of the worker, over a connection of its own.
function lastCommands(worker) {
  return withClient({ socket: { path: worker.control } }, (client) => client.sendCommand(["CLIENT", "LIST"]));
}

main(versionOf("redis"));
