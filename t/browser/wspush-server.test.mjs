/*
 * WSPush over real sockets (npm's ws and eventsource as the browser) against v1-server.mjs: what arrives when the line is cut
 * after any number of bytes. Delays between tries are short here: Math.random is near 0.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, mock, test } from "node:test";
import { EventSource } from "eventsource";
import WebSocket from "ws";
import { WSPush } from "../../static/wspush.js";
import { until } from "./site.mjs";
import { Server } from "./v1-server.mjs";

let server;
let pages;

before(() => Object.assign(globalThis, { WebSocket, EventSource }));
beforeEach(async () => {
  pages = [];
  mock.method(Math, "random", () => 0.005);
  server = await Server.start();
});
afterEach(() => {
  pages.forEach((ws) => ws.close());
  server.stop();
  mock.restoreAll();
});
// A page's timers go with it; here the process would wait for them.
after(() => setTimeout(() => process.exit(), 1000).unref());

function open(path, options) {
  const ws = new WSPush(`http://127.0.0.1:${server.port}/${path}`, options);
  ws.binaryType = "arraybuffer";
  const got = {};
  const events = [];
  ws.onmessage = ({ channel, data }) =>
    (got[channel] ??= []).push(typeof data === "string" ? data : [...new Uint8Array(data)].join());
  for (const type of ["open", "close", "reset", "error"])
    ws.addEventListener(type, (event) => events.push([type, event.why ?? event.code]));
  pages.push(ws);
  return { ws, got, events };
}

const numbers = (count, name = "") => Array.from({ length: count }, (_, i) => `${name}${i}`);

// The same numbers each time; a failing seed can be seen again.
function seeded(seed) {
  return () => (seed = seed * 48271 % 0x7fffffff) / 0x7fffffff;
}

for (const [seed, transports] of [[1, ["websocket"]], [2, ["websocket"]], [3, ["websocket"]], [4, ["sse"]], [5, ["sse"]]])
  test(`1,000 messages over ${transports}, cut after random bytes: once and in order (seed ${seed})`, async () => {
    const random = seeded(seed);
    server.proxy.lifetime = () => Math.floor(100 + random() * 8000);
    const others = transports[0] === "sse" ? [] : ["news", "sport"];
    const names = ["chat", ...others];
    const { ws, got, events } = open("chat", { transports });
    others.forEach((name) => ws.subscribe(name));
    await until(() => ws.readyState === 1, "the first open");
    await until(() => names.every((name) => server.channel(name).clients.size === 1), "all channels");
    for (let i = 0; i < 1000; i++) {
      for (const name of names)
        server.publish(name, `${name}${i}`);
      if (random() < 0.1)
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
    server.proxy.lifetime = () => 20000 + random() * 20000;
    await until(() => names.every((name) => got[name]?.length >= 1000), () =>
      `1,000 messages each; there are ${names.map((name) => got[name]?.length)}, ${ws.state} ${events}`, 30000);
    for (const name of names)
      assert.deepEqual(got[name], numbers(1000, name));
    assert.deepEqual(events, [["open", undefined]]);
    assert.ok(server.proxy.cuts >= 3, `${server.proxy.cuts} cuts`);
  });

for (const transport of ["websocket", "sse"])
  test(`the first line over ${transport} is cut after each number of bytes`, async () => {
    const missed = [];
    for (let bytes = 1; bytes < 800; bytes += 7) {
      const name = `cut${bytes}`;
      for (let i = 0; i < 3; i++)
        server.publish(name, `old${i}`);
      let lines = 0;
      server.proxy.lifetime = () => (lines++ ? Infinity : bytes);
      const { ws, got, events } = open(name, { transports: [transport], since: "1795412345678-2" });
      await until(() => ws.state === "waiting" || got[name]?.length, "the cut, or a message");
      for (let i = 0; i < 4; i++)
        server.publish(name, i % 2 ? Uint8Array.of(i) : `new${i}`);
      await until(() => got[name]?.at(-1) === "3", () => `the last message after ${bytes} bytes: ${got[name]}; ${ws.state}`);
      assert.deepEqual(got[name], ["old2", "new0", "1", "new2", "3"], `after ${bytes} bytes`);
      assert.deepEqual(events.map(([type]) => type), ["open"]);
      missed.push(lines > 1);
      ws.close();
    }
    assert.ok(missed.filter(Boolean).length > 50, "most of them were cut");
  });

test("what the page sends arrives in order and once, or is named as unsure", async () => {
  const random = seeded(11);
  server.proxy.lifetime = () => 300 + random() * 200;
  const { ws } = open("chat");
  const unsure = [];
  ws.onerror = ({ code, data }) => code === "unsure" && unsure.push(data);
  for (let i = 0; i < 500; i++) {
    ws.send(`${i}`);
    server.publish("chat", `beside ${i}`);
    if (i % 5 === 0)
      await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await until(() => ws.bufferedAmount === 0 && ws.state === "open", "all to be sent", 20000);
  const arrived = () => server.said.map(([, data]) => data);
  const isKnown = (n) => arrived().includes(n) || unsure.includes(n);
  await until(() => numbers(500).every(isKnown), () =>
    `each to arrive or be named; in silence went ${numbers(500).filter((n) => !isKnown(n))}`, 20000);
  assert.equal(new Set(arrived()).size, arrived().length, "none twice");
  assert.deepEqual(arrived(), [...arrived()].sort((a, b) => a - b), "in order");
  assert.ok(server.proxy.cuts >= 3, `${server.proxy.cuts} cuts`);
});

test("a worker that was started anew: reset, and on from there", async () => {
  const { ws, got, events } = open("chat", { since: "1700000000000-5" });
  await until(() => events.length === 2, "open and reset");
  server.publish("chat", "new");
  await until(() => got.chat, "a message");
  assert.deepEqual(events, [["open", undefined], ["reset", "generation"]]);
  assert.deepEqual(got.chat, ["new"]);
  assert.equal(ws.state, "open");
});

test("a WebSocket that never comes up: the stream, POST, and the socket again where it comes up", async () => {
  let refuses = true;
  let answered = 0;
  const { fetch } = globalThis;
  mock.method(globalThis, "fetch", (...args) => fetch(...args).finally(() => answered++));
  server.http.prependListener("upgrade", (request, socket) => refuses && socket.destroy());
  const { ws, got, events } = open("chat");
  await until(() => ws.transport === "sse" && ws.state === "open", "the stream");
  server.publish("chat", "one");
  ws.send("posted");
  await until(() => answered && got.chat, "both ways");
  assert.deepEqual(server.said, [["chat", "posted"]]);
  refuses = false;
  server.proxy.cutAll();
  server.publish("chat", "two");
  await until(() => ws.transport === "websocket" && ws.state === "open", "the socket");
  server.publish("chat", "three");
  await until(() => got.chat.length === 3, "all messages");
  assert.deepEqual(got.chat, ["one", "two", "three"]);
  assert.deepEqual(events, [["open", undefined]]);
});

