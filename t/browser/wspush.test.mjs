/*
 * WSPush's states, one by one, on lines that are made by hand and with time that stands still (fake.mjs). The server of
 * docs/CLIENT.md over real sockets is in wspush-server.test.mjs.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { runInNewContext } from "node:vm";
import { WSPush } from "../../static/wspush.js";
import { FakeSocket, FakeStream, fakeBrowser, fireWindow, line, listenTo, pass, realWorld, setRandom, settle, stream, timers,
  watchers } from "./fake.mjs";

beforeEach(fakeBrowser);
afterEach(realWorld);

async function connecting(options, url = "/chat") {
  const ws = new WSPush(url, options);
  const log = listenTo(ws);
  await settle();
  return { ws, log };
}

async function opened(options, url) {
  const made = await connecting(options, url);
  line().hello();
  return made;
}

// ---- as a WebSocket ----

test("constants, addresses and what is no address", async () => {
  assert.deepEqual([WSPush.CONNECTING, WSPush.OPEN, WSPush.CLOSING, WSPush.CLOSED], [0, 1, 2, 3]);
  const urls = { "/chat": "wss://www.example.com/chat", "chat?x=%2F#y": "wss://www.example.com/room/chat?x=%2F",
    "http://a.example:81/b": "ws://a.example:81/b", "wss://a.example/b/": "wss://a.example/b/" };
  for (const [url, want] of Object.entries(urls)) {
    const { ws } = await connecting({}, url);
    assert.equal(ws.url, want);
    assert.equal(line().url, want);
    assert.deepEqual([ws.CLOSED, ws.readyState, ws.protocol, ws.extensions, ws.binaryType, ws.bufferedAmount],
      [3, 0, "", "", "blob", 0]);
  }
  assert.throws(() => new WSPush("ftp://a.example/"), { name: "SyntaxError" });
  for (const url of ["http://a:b:c/", "/%ff", "wsx://a.example/"])
    assert.throws(() => new WSPush(url), { name: "SyntaxError" }, url);
});

test("it offers wspush.v1 first, then the page's own", async () => {
  await connecting();
  assert.deepEqual(line().protocols, ["wspush.v1"]);
  await connecting("chat");
  assert.deepEqual(line().protocols, ["wspush.v1", "chat"]);
  await connecting(["a", "b"]);
  assert.deepEqual(line().protocols, ["wspush.v1", "a", "b"]);
  await connecting({ protocols: ["a"] });
  assert.deepEqual(line().protocols, ["wspush.v1", "a"]);
  await connecting("wspush.v1");
  assert.deepEqual(line().protocols, ["wspush.v1"], "a browser refuses one that stands twice");
});

test("an option that is undefined is none", async () => {
  const { ws } = await connecting({ protocols: undefined, transports: undefined, queue: undefined });
  assert.deepEqual(line().protocols, ["wspush.v1"]);
  ws.send("x".repeat(4 << 20));
  assert.throws(() => ws.send("y"), { name: "QuotaExceededError" });
});

test("open once, messages with channel and id, handlers and listeners", async () => {
  const { ws, log } = await connecting();
  const seen = [];
  ws.onmessage = function (event) {
    assert.equal(this, ws);
    seen.push(event.data);
  };
  line().accept();
  assert.equal(ws.readyState, 0, "refusals come before hello");
  line().say({ hello: { client: "c7", user: "alice", channels: ["chat"] } });
  line().say({ sub: { ch: "chat", id: "1-4" } });
  line().say({ ch: "chat", id: "1-5", data: "héllo" });
  line().say({ data: "to me" });
  line().say({ unheard: { of: 1 } });
  assert.deepEqual([ws.readyState, ws.state, ws.transport, ws.protocol, ws.client, ws.user],
    [1, "open", "websocket", "wspush.v1", "c7", "alice"]);
  assert.deepEqual(log, [["state", "open", "websocket"], ["open"], ["message", "chat", "1-5", "héllo"],
    ["message", null, null, "to me"]]);
  assert.deepEqual(seen, ["héllo", "to me"]);
  ws.onmessage = null;
  line().say({ data: "not seen" });
  assert.equal(seen.length, 2);
});

test("a message event is a MessageEvent with channel and id of its own", async () => {
  const { ws } = await opened();
  let event;
  ws.onmessage = (got) => { event = got; };
  line().say({ ch: "chat", id: "1-1", data: "x" });
  assert.ok(event instanceof MessageEvent);
  assert.equal(event.origin, "wss://www.example.com");
  assert.equal(event.lastEventId, "1-1");
  assert.ok(Object.hasOwn(event, "channel") && Object.hasOwn(event, "id"));
});

test("binary both ways", async () => {
  const { ws } = await opened();
  const got = [];
  ws.onmessage = ({ data }) => got.push(data);
  line().say({ ch: "chat", id: "1-1", b64: "AAEC/w==" });
  ws.binaryType = "arraybuffer";
  line().say({ ch: "chat", id: "1-2", b64: "AAEC/w==" });
  line().say({ ch: "chat", id: "1-3", b64: "" });
  assert.ok(got[0] instanceof Blob && got[1] instanceof ArrayBuffer);
  assert.deepEqual(new Uint8Array(await got[0].arrayBuffer()), Uint8Array.of(0, 1, 2, 255));
  assert.deepEqual(new Uint8Array(got[1]), Uint8Array.of(0, 1, 2, 255));
  assert.equal(got[2].byteLength, 0);

  const bytes = Uint8Array.of(9, 0, 1, 2, 255, 9);
  ws.send(bytes.buffer);
  ws.send(new DataView(bytes.buffer, 1, 4));
  ws.send(new Blob([bytes]));
  ws.send("after the Blob");
  ws.send(bytes.subarray(1, 5));
  bytes.fill(7);
  for (let i = 0; i < 5; i++)
    await settle();
  assert.deepEqual(line().requests, [{ b64: "CQABAv8J" }, { b64: "AAEC/w==" }, { b64: "CQABAv8J" },
    { data: "after the Blob" }, { b64: "AAEC/w==" }]);
});

test("send: text as it is, lone surrogates as a WebSocket makes them, other channels", async () => {
  const { ws } = await opened();
  ws.send("a\ud800b🎈\u0000");
  ws.send(17);
  ws.send("x", "news");
  ws.send(runInNewContext("Uint8Array.of(0, 1, 2).buffer"));
  assert.deepEqual(line().requests, [{ data: "a\ufffdb🎈\u0000" }, { data: "17" }, { ch: "news", data: "x" },
    { b64: "AAEC" }], "the last is of another frame");
});

test("close says code and reason, and the event is the other side's", async () => {
  const { ws, log } = await opened();
  assert.throws(() => ws.close(1001), { name: "InvalidAccessError" });
  assert.throws(() => ws.close(5000), { name: "InvalidAccessError" });
  assert.throws(() => ws.close(3000, "é".repeat(62)), { name: "SyntaxError" });
  assert.equal(ws.readyState, 1);
  ws.close(3001, "done");
  assert.equal(ws.readyState, 2);
  assert.deepEqual(line().closed, [3001, "done"]);
  line().say({ ch: "chat", id: "1-1", data: "too late" });
  line().cut(3001, "bye");
  assert.equal(ws.readyState, 3);
  assert.deepEqual(log.of("message", "close", "error"), [["close", 3001, "bye", true]]);
  ws.close();
  await pass(100000);
  assert.equal(FakeSocket.made.length, 1);
  assert.equal(log.at(-1)[0], "close");
});

test("a line that is lost while it closes", async () => {
  const { ws, log } = await opened();
  ws.close(1000, "bye");
  ws.send("after close()");
  line().cut(1006);
  assert.deepEqual(line().requests, []);
  assert.deepEqual(log.of("error", "close"), [["close", 1006, "", false]]);
});

test("a dead line does not keep close() from its end", async () => {
  const { ws, log } = await opened();
  ws.send("under way");
  ws.close();
  await pass(10001);
  assert.deepEqual(log.of("error", "close"), [["error", "unsure", undefined, "under way"], ["close", 1006, "", false]]);
  assert.equal(timers(), 0);
});

test("close without a code; after it send() is thrown away and counted, as by a WebSocket", async () => {
  const { ws, log } = await opened();
  ws.close();
  assert.deepEqual(line().closed, []);
  line().cut(1005);
  assert.deepEqual(log.of("close"), [[1005, "", true]]);
  ws.send("12345");
  assert.equal(ws.bufferedAmount, 5);
});

for (const [name, prepare] of Object.entries({
  "before it was open": async () => {},
  "while it waits": async () => { line().hello(); line().cut(); },
}))
  test(`close ${name}`, async () => {
    const { ws, log } = await connecting();
    await prepare();
    const before = line();
    ws.send("never");
    ws.close(1000, "enough");
    assert.equal(ws.readyState, 2);
    assert.deepEqual(log.of("close"), []);
    await pass(1);
    assert.deepEqual(log.of("error", "close"), [["error", "unsent", undefined, "never"], ["close", 1000, "enough", true]]);
    assert.equal(ws.readyState, 3);
    assert.equal(before.readyState >= 2, true);
    assert.equal(timers(), 0);
    await pass(100000);
    assert.equal(line(), before, "nothing comes back");
  });

test("no timer outlives the end of a stream", async () => {
  const { ws } = await connecting({ transports: ["sse", "websocket"] });
  for (let i = 0; i < 3; i++) {
    line().cut();
    await pass(1000 * 2 ** i);
  }
  stream().accept();
  ws.close();
  await pass(1);
  assert.equal(timers(), 0);
});

test("close() while the line comes up: it does not open any more", async () => {
  const { ws, log } = await connecting();
  ws.send("never");
  line().accept();
  ws.close();
  line().say({ hello: { client: "c1", user: null, channels: ["chat"] } });
  assert.equal(ws.readyState, 2);
  await pass(1);
  assert.deepEqual(log, [["state", "closed", "websocket"], ["error", "unsent", undefined, "never"], ["close", 1005, "", true]]);
  assert.deepEqual(line().sent, []);
});

// ---- coming back ----

const STOPS = [1000, 1002, 1003, 1007, 1008, 1009, 1010, 3500, 3999, 4500, 4501, 4503, 4999];
const COMES = [1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015, 3000, 3499, 4000, 4401, 4499];

test("codes that stop", async () => {
  for (const code of STOPS) {
    const { ws, log } = await opened();
    line().cut(code, "why");
    assert.deepEqual(log.of("close"), [[code, "why", true]], `${code}`);
    assert.deepEqual([ws.readyState, ws.state], [3, "closed"]);
    const count = FakeSocket.made.length;
    await pass(100000);
    assert.equal(FakeSocket.made.length, count);
  }
});

test("codes that come back", async () => {
  for (const code of COMES) {
    const { ws, log } = await opened();
    line().cut(code, "why");
    assert.deepEqual([ws.readyState, ws.state], [1, "waiting"], `${code}`);
    const count = FakeSocket.made.length;
    await pass(1000);
    assert.equal(FakeSocket.made.length, count + 1, `${code}`);
    line().hello();
    assert.deepEqual(log.of("open", "close"), [["open"]]);
    assert.equal(ws.state, "open");
    ws.close();
    line().cut(1000);
  }
});

test("it says why and how long it waits", async () => {
  const { ws } = await opened();
  let event;
  ws.onstate = (got) => { event ??= got; };
  line().cut(1012, "restart");
  assert.deepEqual([event.state, event.code, event.reason, event.delay], ["waiting", 1012, "restart", 500]);
});

test("what was under way when it ended for good is named, and what was never sent", async () => {
  const { ws, log } = await opened();
  for (let i = 0; i < 51; i++)
    ws.send(`${i}`);
  line().cut(1008, "no");
  assert.deepEqual(log.of("error").map(([code, , data]) => code + data), [...Array.from({ length: 50 }, (_, i) => `unsure${i}`),
    "unsent50"]);
  assert.equal(log.at(-1)[0], "close");
});

test("backoff: a quick first try, then twice as long each time, 30 s at most, anew after a success", async () => {
  setRandom(() => 0.999999);
  const { ws, log } = await opened({ transports: ["websocket"] });
  const delays = [];
  ws.onstate = ({ state, delay }) => state === "waiting" && delays.push(Math.round(delay));
  for (let i = 0; i < 8; i++) {
    line().cut();
    await pass(delays.at(-1) - 1);
    assert.equal(ws.state, "waiting");
    await pass(2);
    assert.equal(ws.state, "connecting");
  }
  assert.deepEqual(delays, [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  line().hello();
  line().cut();
  assert.equal(delays.at(-1), 1000);
  assert.equal(log.of("open").length, 1);
});

test("full jitter: the delays fill their range evenly", async () => {
  let seed = 1;
  setRandom(() => (seed = seed * 48271 % 0x7fffffff) / 0x7fffffff);
  const { ws } = await opened({ transports: ["websocket"] });
  const delays = [];
  ws.onstate = ({ state, delay }) => state === "waiting" && delays.push(delay);
  for (let i = 0; i < 1000; i++) {
    line().cut();
    await pass(1000);
    line().hello();
  }
  const quarters = [0, 0, 0, 0];
  for (const delay of delays)
    quarters[Math.floor(delay / 250)]++;
  assert.equal(delays.length, 1000);
  assert.ok(quarters.every((count) => count > 200 && count < 300), `${quarters}`);
});

test("an address that does not answer is given up after 15 s", async () => {
  const { ws } = await connecting();
  const first = line();
  await pass(14999);
  assert.equal(ws.state, "connecting");
  await pass(1);
  assert.equal(ws.state, "waiting");
  assert.equal(first.readyState, 2);
  first.hello();
  assert.equal(ws.readyState, 0, "what comes late is not heard");
});

test("a browser that refuses the address says so, and it is tried again", async () => {
  globalThis.WebSocket = class { constructor() { throw new DOMException("mixed content", "SecurityError"); } };
  const { ws, log } = await connecting();
  assert.deepEqual(log.of("error"), [["connect", undefined, undefined]]);
  assert.equal(ws.state, "waiting");
});

// ---- positions ----

test("it resumes by the id of what the page had, or by the head where there was nothing", async () => {
  const { log } = await opened();
  line().cut();
  await pass(1000);
  assert.equal(line().url, "wss://www.example.com/chat?since=1-0");
  line().hello("1-9");
  line().say({ ch: "chat", id: "1-1", data: "missed" });
  line().cut();
  await pass(1000);
  assert.equal(line().url, "wss://www.example.com/chat?since=1-1");
  assert.deepEqual(log.of("reset"), []);
});

test("the page's position and query", async () => {
  await connecting({ since: "1-7" }, "/chat?x=a+b%20");
  assert.equal(line().url, "wss://www.example.com/chat?since=1-7&x=a+b%20");
  line().hello("1-9");
  line().cut();
  await pass(1000);
  assert.equal(line().url, "wss://www.example.com/chat?since=1-7&x=a+b%20", "nothing came, so it is still there");
});

test("a position in the address holds until there is a newer one", async () => {
  await connecting({}, "/chat?since=1-2");
  assert.equal(line().url, "wss://www.example.com/chat?since=1-2");
  line().hello("1-9");
  line().say({ ch: "chat", id: "1-3", data: "x" });
  line().cut();
  await pass(1000);
  assert.equal(line().url, "wss://www.example.com/chat?since=1-3&since=1-2", "the server takes the first");
});

test("a sub that names a position before the head (first = all): from there, if it is cut before anything came", async () => {
  await connecting();
  line().accept();
  line().say({ hello: { client: "c1", user: null, channels: ["chat"] } });
  line().say({ sub: { ch: "chat", id: "1-9", from: "1-2" } });
  line().cut();
  await pass(1000);
  assert.match(line().url, /since=1-2$/);
});

test("a position moves when the handlers have run", async () => {
  const { ws } = await opened();
  ws.onmessage = () => line().cut();
  line().say({ ch: "chat", id: "1-1", data: "x" });
  await pass(1000);
  assert.match(line().url, /since=1-1$/);
});

test("what comes twice in a row is given once", async () => {
  const { log } = await opened();
  line().say({ ch: "chat", id: "1-1", data: "x" });
  line().cut();
  await pass(1000);
  line().hello("1-1");
  line().say({ ch: "chat", id: "1-1", data: "x" });
  line().say({ ch: "chat", id: "1-2", data: "y" });
  assert.deepEqual(log.of("message").map(([, id]) => id), ["1-1", "1-2"]);
});

test("reset is told, and its position holds from there", async () => {
  const { log } = await opened();
  line().cut();
  await pass(1000);
  line().hello("2-40");
  line().say({ reset: { ch: "chat", why: "generation", id: "2-40" } });
  assert.deepEqual(log.of("reset"), [["chat", "generation", "2-40"]]);
  line().cut();
  await pass(1000);
  assert.match(line().url, /since=2-40$/);
});

test("an acknowledgement goes after the handlers, each time", async () => {
  const { ws } = await opened();
  let sentThen;
  ws.onmessage = () => { sentThen = line().requests.length; };
  line().say({ ch: "chat", id: "1-1", ack: 7, data: "x" });
  assert.equal(sentThen, 0);
  line().say({ data: "me", ack: 8 });
  line().say({ ch: "chat", id: "1-1", ack: 9, data: "x" });
  assert.deepEqual(line().requests, [{ ack: 7 }, { ack: 8 }, { ack: 9 }]);
});

// ---- channels ----

test("other channels: asked for at once or at open, and again from where they were", async () => {
  const { ws, log } = await connecting();
  ws.subscribe("news");
  ws.subscribe("old", "1-3");
  line().hello();
  ws.subscribe("late");
  ws.subscribe("late");
  assert.deepEqual(line().requests, [{ sub: ["news", "old"], since: { old: "1-3" } }, { sub: ["late"], since: {} }]);
  line().say({ sub: { ch: "news", id: "1-20" } });
  line().say({ sub: { ch: "old", id: "1-5" } });
  line().say({ ch: "news", id: "1-21", data: "n" });
  line().say({ ch: "late", id: "1-1", data: "before sub: of somebody else" });
  line().say({ sub: { ch: "late", id: "1-8" } });
  line().cut();
  await pass(1000);
  line().hello();
  assert.deepEqual(line().requests, [{ sub: ["news", "old", "late"], since: { news: "1-21", old: "1-3", late: "1-8" } }]);
  assert.deepEqual(log.of("message"), [["news", "1-21", "n"]]);
});

test("unsubscribe: nothing more of it, and it is not asked for again", async () => {
  const { ws, log } = await opened();
  ws.subscribe("news");
  line().say({ sub: { ch: "news", id: "1-1" } });
  ws.unsubscribe("news");
  ws.unsubscribe("chat");
  ws.unsubscribe("unknown");
  assert.deepEqual(line().requests.at(-1), { unsub: ["news"] });
  assert.equal(line().requests.length, 2);
  line().say({ ch: "news", id: "1-2", data: "under way" });
  ws.subscribe("news");
  line().say({ ch: "news", id: "1-3", data: "under way" });
  line().say({ unsub: { ch: "news" } });
  line().say({ sub: { ch: "news", id: "1-3" } });
  line().say({ ch: "news", id: "1-4", data: "new" });
  assert.deepEqual(log.of("message", "error"), [["message", "news", "1-4", "new"]]);
});

test("left and taken again before the answers: those to the old request are not for the new one", async () => {
  const { ws, log } = await opened();
  for (const act of ["subscribe", "unsubscribe", "subscribe", "unsubscribe", "subscribe"])
    ws[act]("news");
  line().say({ sub: { ch: "news", id: "1-1" } });
  line().say({ ch: "news", id: "1-2", data: "not asked for any more" });
  line().say({ unsub: { ch: "news" } });
  line().say({ error: { code: "unknown", text: "it is not on this channel", ch: "news" } });
  line().say({ sub: { ch: "news", id: "1-3" } });
  line().say({ ch: "news", id: "1-4", data: "new" });
  assert.deepEqual(log.of("message", "error"), [["message", "news", "1-4", "new"]]);
  ws.unsubscribe("news");
  line().cut();
  ws.subscribe("news");
  ws.unsubscribe("news");
  ws.subscribe("news");
  await pass(1000);
  line().hello();
  line().say({ sub: { ch: "news", id: "1-5" } });
  line().say({ ch: "news", id: "1-6", data: "on the next line" });
  line().say({ unsub: { ch: "news" } });
  assert.deepEqual(log.of("message", "error").slice(1), [["message", "news", "1-6", "on the next line"],
    ["error", "unsub", "news", undefined]]);
});

test("handlers of state and open may leave channels and take others", async () => {
  const { ws } = await connecting();
  ws.subscribe("news");
  ws.send("waits");
  ws.onstate = ({ state }) => state === "open" && ws.unsubscribe("news");
  ws.onopen = () => ws.subscribe("late");
  line().hello();
  assert.deepEqual(line().requests, [{ sub: ["news"], since: {} }, { unsub: ["news"] }, { sub: ["late"], since: {} },
    { data: "waits" }]);
});

test("a channel's name that is a number is a text to the server", async () => {
  const { ws, log } = await opened();
  ws.subscribe(5);
  assert.deepEqual(line().requests, [{ sub: ["5"], since: {} }]);
  line().say({ sub: { ch: "5", id: "1-1" } });
  line().say({ ch: "5", id: "1-2", data: "x" });
  ws.unsubscribe(5);
  assert.deepEqual(log.of("message"), [["5", "1-2", "x"]]);
  assert.deepEqual(line().requests.at(-1), { unsub: ["5"] });
});

test("a channel that is refused, or taken away, is said and not asked for again", async () => {
  const { ws, log } = await opened();
  ws.subscribe("secret");
  ws.subscribe("lent");
  line().say({ error: { code: "forbidden", text: "no", ch: "secret" } });
  line().say({ sub: { ch: "lent", id: "1-1" } });
  line().say({ unsub: { ch: "lent" } });
  line().say({ error: { code: "inbound", text: "no", ch: "chat" } });
  assert.deepEqual(log.of("error"), [["forbidden", "secret", undefined], ["unsub", "lent", undefined],
    ["inbound", "chat", undefined]]);
  line().cut();
  await pass(1000);
  line().hello();
  assert.deepEqual(line().requests, []);
  line().say({ ch: "chat", id: "1-1", data: "the own one is still there" });
  assert.equal(log.of("message").length, 1);
});

test("a position in the own channel that the server can't take is given up, and the channel asked for without", async () => {
  const { log } = await connecting({ since: "nonsense" });
  line().accept();
  line().say({ hello: { client: "c1", user: null, channels: [] } });
  line().say({ error: { code: "position", text: "malformed", ch: "shop:7" } });
  assert.deepEqual(line().requests, [{ sub: ["shop:7"], since: {} }]);
  line().say({ sub: { ch: "shop:7", id: "1-9" } });
  line().say({ ch: "shop:7", id: "1-10", data: "new" });
  assert.deepEqual(log.of("error", "reset", "message"), [["error", "position", "shop:7", undefined],
    ["reset", "shop:7", "unknown", null], ["message", "shop:7", "1-10", "new"]]);
  line().cut();
  await pass(1000);
  assert.match(line().url, /since=1-10$/);
});

test("likewise in another channel", async () => {
  const { ws, log } = await opened();
  ws.subscribe("news", "nonsense");
  line().say({ error: { code: "position", text: "malformed", ch: "news" } });
  assert.deepEqual(line().requests.at(-1), { sub: ["news"], since: {} });
  line().say({ sub: { ch: "news", id: "1-9" } });
  line().say({ ch: "news", id: "1-10", data: "new" });
  assert.deepEqual(log.of("error", "reset", "message"), [["error", "position", "news", undefined],
    ["reset", "news", "unknown", null], ["message", "news", "1-10", "new"]]);
});

test("a message that the channel does not take is no answer to the sub behind it", async () => {
  const { ws, log } = await opened();
  ws.send("x", "news");
  ws.subscribe("news");
  line().say({ error: { code: "inbound", text: "no", ch: "news" } });
  line().say({ sub: { ch: "news", id: "1-9" } });
  line().say({ error: { code: "forbidden", text: "to send", ch: "news" } });
  line().say({ ch: "news", id: "1-10", data: "new" });
  assert.deepEqual(log.of("error", "message"), [["error", "inbound", "news", undefined],
    ["error", "forbidden", "news", undefined], ["message", "news", "1-10", "new"]]);
});

test("a channel that is refused at a coming back is not asked for again", async () => {
  const { ws } = await opened();
  ws.subscribe("lent");
  line().say({ sub: { ch: "lent", id: "1-1" } });
  line().cut();
  await pass(1000);
  line().hello();
  line().say({ ch: "lent", id: "1-2", data: "before its sub" });
  line().say({ error: { code: "forbidden", text: "no", ch: "lent" } });
  line().cut();
  await pass(1000);
  line().hello();
  assert.deepEqual(line().requests, []);
});

test("the own channel is what the server calls it", async () => {
  const { ws, log } = await connecting();
  line().hello("1-1", "shop:7");
  line().say({ ch: "shop:7", id: "1-2", data: "x" });
  ws.subscribe("shop:7");
  assert.deepEqual(line().requests, []);
  assert.deepEqual(log.of("message"), [["shop:7", "1-2", "x"]]);
});

test("presence, join, leave", async () => {
  const { log } = await opened();
  const users = [{ user: "alice", clients: ["c1"], since: 5 }];
  line().say({ presence: { ch: "chat", users } });
  line().say({ join: { ch: "chat", user: "bob" } });
  line().say({ leave: { ch: "chat", user: "alice" } });
  assert.deepEqual(log.of("presence", "join", "leave"), [["presence", "chat", users], ["join", "chat", "bob"],
    ["leave", "chat", "alice"]]);
});

// ---- what the page sends while it is away ----

test("what is sent while it is away goes out in order when it is back", async () => {
  const { ws, log } = await connecting();
  ws.send("before open");
  assert.equal(ws.bufferedAmount, 11);
  line().hello();
  assert.deepEqual(line().requests, [{ data: "before open" }]);
  assert.equal(ws.bufferedAmount, 0);
  line().pong();
  line().cut();
  ws.send("one");
  ws.send(new Blob(["two"]));
  ws.send("three", "news");
  await pass(1000);
  line().hello();
  for (let i = 0; i < 4; i++)
    await settle();
  assert.deepEqual(line().requests, [{ data: "one" }, { b64: "dHdv" }, { ch: "news", data: "three" }]);
  assert.deepEqual(log.of("error"), []);
});

test("the queue has a bound, and send() says so", async () => {
  const { ws } = await connecting({ queue: 10 });
  ws.send("x".repeat(100));
  assert.throws(() => ws.send("y"), { name: "QuotaExceededError" });
  line().hello();
  ws.send("z");
  assert.deepEqual(line().requests.map(({ data }) => data.length), [100, 1]);
});

test("what was under way when the line was lost is named; what a pong has confirmed is not", async () => {
  const { ws, log } = await opened();
  ws.send("sure");
  line().pong();
  ws.send("unsure");
  ws.send("too");
  line().cut();
  assert.deepEqual(log.of("error"), [["unsure", undefined, "unsure"], ["unsure", undefined, "too"]]);
  await pass(1000);
  line().hello();
  assert.deepEqual(line().requests, [], "it is for the page to send it again");
});

test("what was named is not named again, and a new line has pings of its own", async () => {
  const { ws, log } = await opened();
  ws.send("one");
  line().cut();
  await pass(1000);
  line().hello();
  ws.send("two");
  assert.deepEqual(line().sent, [{ data: "two" }, { ping: 2 }]);
  line().cut();
  assert.deepEqual(log.of("error").map(([, , data]) => data), ["one", "two"]);
});

test("an older ping's pong confirms nothing", async () => {
  const { ws, log } = await opened();
  ws.send("one");
  ws.send("two");
  fireWindow("visibilitychange");
  assert.deepEqual(line().sent.at(-1), { ping: 2 });
  line().say({ pong: 1 });
  line().cut();
  assert.deepEqual(log.of("error").map(([, , data]) => data), ["one", "two"]);
});

test("one ping for what is under way, and another for what came meanwhile", async () => {
  const { ws } = await opened();
  ws.send("a");
  ws.send("b");
  ws.send("c");
  assert.deepEqual(line().sent, [{ data: "a" }, { ping: 1 }, { data: "b" }, { data: "c" }]);
  line().say({ pong: 1 });
  assert.deepEqual(line().sent.slice(4), [{ ping: 2 }]);
  line().say({ pong: 2 });
  assert.equal(line().sent.length, 5);
});

test("no more than 50 are under way, so that a server which reads slowly is not run over", async () => {
  const { ws } = await opened();
  for (let i = 0; i < 120; i++)
    ws.send(`${i}`);
  assert.equal(line().requests.length, 50);
  for (let i = 0; i < 5; i++)
    line().pong();
  assert.deepEqual(line().requests.map(({ data }) => Number(data)), Array.from({ length: 120 }, (_, i) => i));
});

test("close waits for what was sent before it", async () => {
  const { ws } = await opened();
  ws.send(new Blob(["last words"]));
  ws.close(1000, "end");
  assert.equal(line().closed, undefined);
  for (let i = 0; i < 4; i++)
    await settle();
  assert.deepEqual(line().requests, [{ b64: "bGFzdCB3b3Jkcw==" }]);
  assert.deepEqual(line().closed, [1000, "end"]);
});

// ---- dead lines ----

test("a ping after 25 s of silence, and 10 s for the answer", async () => {
  const { ws } = await opened();
  await pass(24999);
  assert.deepEqual(line().sent, []);
  await pass(1);
  assert.deepEqual(line().sent, [{ ping: 1 }]);
  await pass(9999);
  line().say({ pong: 1 });
  await pass(24999);
  assert.equal(line().sent.length, 1);
  await pass(1);
  const dead = line();
  await pass(9999);
  assert.equal(ws.state, "open");
  await pass(1);
  assert.equal(ws.state, "waiting");
  assert.equal(dead.readyState, 2);
  dead.say({ ch: "chat", id: "1-1", data: "from the grave" });
  await pass(500);
  assert.match(line().url, /since=1-0$/);
});

test("a pong may take longer behind a large message", async () => {
  const { ws, log } = await opened();
  ws.send("x".repeat(320000));
  await pass(29999);
  assert.equal(ws.state, "open");
  line().pong();
  ws.send("x");
  await pass(10001);
  assert.equal(ws.state, "waiting");
  assert.deepEqual(log.of("error"), [["unsure", undefined, "x"]]);
});

test("anything that is heard counts as life", async () => {
  const { ws } = await opened();
  for (let i = 0; i < 20; i++) {
    await pass(20000);
    line().say({ ch: "chat", id: `1-${i}`, data: "" });
  }
  assert.deepEqual(line().requests, []);
  assert.equal(line().sent.length, 0);
  assert.equal(ws.state, "open");
});

test("when the page is seen again, or the network is back: a ping at once, and 3 s", async () => {
  for (const type of ["visibilitychange", "online", "offline"]) {
    const { ws } = await opened();
    fireWindow("visibilitychange", { hidden: true });
    assert.deepEqual(line().sent, []);
    fireWindow(type);
    assert.deepEqual(line().sent, [{ ping: 1 }]);
    await pass(2999);
    assert.equal(ws.state, "open");
    await pass(1);
    assert.equal(ws.state, "waiting");
    ws.close();
    await pass(1);
  }
});

test("offline: hardly any tries, and one at once when it is online", async () => {
  const { ws, log } = await opened();
  fireWindow("offline", { onLine: false });
  await pass(3000);
  assert.equal(ws.state, "offline");
  const before = FakeSocket.made.length;
  await pass(14000);
  assert.equal(FakeSocket.made.length, before);
  fireWindow("online", { onLine: true });
  await settle();
  assert.equal(FakeSocket.made.length, before + 1);
  assert.equal(ws.state, "connecting");
  line().hello();
  assert.deepEqual(log.of("state").map(([state]) => state), ["open", "offline", "connecting", "open"]);
});

test("offline is no reason for a try, online is one for a stream", async () => {
  const { ws } = await opened();
  line().cut();
  fireWindow("offline");
  assert.equal(ws.state, "waiting");
  const other = await connecting({ transports: ["sse"] });
  stream().accept();
  fireWindow("offline");
  fireWindow("visibilitychange");
  assert.equal(other.ws.state, "open");
  fireWindow("online");
  assert.equal(other.ws.state, "connecting");
});

test("a page that is seen again does not wait for its next try", async () => {
  const { ws } = await opened();
  line().cut();
  fireWindow("visibilitychange", { hidden: true });
  assert.equal(ws.state, "waiting");
  fireWindow("visibilitychange");
  assert.equal(ws.state, "connecting");
});

test("pagehide leaves the line (bfcache), pageshow comes back", async () => {
  const { ws, log } = await opened();
  const left = line();
  fireWindow("pagehide");
  assert.equal(left.readyState, 2);
  await pass(100000);
  assert.equal(line(), left, "no tries meanwhile");
  fireWindow("pageshow");
  await settle();
  line().hello();
  assert.equal(ws.state, "open");
  assert.deepEqual(log.of("open", "close"), [["open"]]);
});

test("the first pageshow does not disturb the first connection", async () => {
  await connecting();
  fireWindow("pageshow");
  await settle();
  assert.equal(FakeSocket.made.length, 1);
});

test("nothing listens to the window after the end", async () => {
  const { ws } = await opened();
  ws.close();
  line().cut(1000);
  assert.equal(watchers(), 0);
  fireWindow("online");
  fireWindow("pagehide");
  await pass(100000);
  assert.equal(FakeSocket.made.length, 1);
  assert.equal(ws.state, "closed");
});

// ---- tokens ----

test("a token is asked for once, and anew after 4401", async () => {
  let asked = 0;
  const { ws } = await connecting({ getToken: async () => `t&${++asked}` });
  assert.equal(line().url, "wss://www.example.com/chat?token=t%261");
  line().hello();
  line().cut();
  await pass(1000);
  assert.equal(line().url, "wss://www.example.com/chat?since=1-0&token=t%261");
  line().hello();
  line().cut(4401, "expired");
  await pass(1000);
  assert.equal(line().url, "wss://www.example.com/chat?since=1-0&token=t%262");
  line().accept();
  line().cut(4401);
  await pass(500);
  assert.equal(asked, 2, "a server that refuses them all is not run over");
  assert.equal(ws.state, "waiting");
  await pass(500);
  assert.equal(asked, 3);
  line().cut();
  await pass(4000);
  assert.equal(asked, 4, "a refusal by nginx is 1006, and no more can be seen");
});

test("getToken that fails is told and asked again; one that never answers is asked again", async () => {
  let asked = 0;
  const { log } = await connecting({ getToken: () => {
    if (++asked === 1)
      throw new Error("no session");
    return asked === 2 ? new Promise(() => {}) : "t";
  } });
  assert.deepEqual(log.of("error"), [["connect", undefined, undefined]]);
  await pass(1000);
  assert.equal(asked, 2);
  await pass(15000);
  await pass(2000);
  assert.equal(asked, 3);
  assert.equal(FakeSocket.made.length, 1);
});

test("getToken that fails after it was given up says nothing", async () => {
  const answers = [];
  const { log } = await connecting({ getToken: () => new Promise((...both) => answers.push(both)) });
  await pass(15500);
  answers[0][1](new Error("too late"));
  await settle();
  assert.deepEqual([log.of("error"), answers.length], [[], 2]);
  answers[1][0]("t");
  await settle();
  assert.match(line().url, /token=t$/);
});

test("a token that comes after close() opens nothing", async () => {
  let answer;
  const { ws } = await connecting({ getToken: () => new Promise((resolve) => { answer = resolve; }) });
  ws.close();
  answer("t");
  await pass(1);
  assert.equal(FakeSocket.made.length, 0);
  assert.equal(ws.readyState, 3);
});

// ---- a server without wspush.v1 ----

test("plain: raw both ways, no pings, and a reset at each coming back", async () => {
  const { ws, log } = await connecting("chat");
  line().accept("chat");
  assert.deepEqual([ws.state, ws.protocol], ["open", "chat"]);
  ws.binaryType = "arraybuffer";
  line().say('{"ch":"x","data":"as it is"}');
  line().say(Uint8Array.of(1, 2).buffer);
  ws.send("raw");
  ws.send(Uint8Array.of(3));
  ws.send("impossible", "news");
  ws.subscribe("news");
  assert.deepEqual(line().sent, ["raw", Uint8Array.of(3)]);
  const plain = line();
  await pass(14000);
  assert.equal(plain.sent.length, 2);
  plain.cut();
  await pass(1000);
  assert.equal(line().url, "wss://www.example.com/chat");
  assert.deepEqual(line().protocols, ["chat"], "what came up before");
  line().accept("");
  assert.deepEqual(log.of("message"), [[null, null, '{"ch":"x","data":"as it is"}'], [null, null, Uint8Array.of(1, 2).buffer]]);
  assert.deepEqual(log.of("open", "reset", "error"), [["open"], ["error", "unsent", "news", "impossible"],
    ["reset", "chat", "unknown", null]]);
});

test("a plain line can't go on from a position, and says so", async () => {
  const { log } = await connecting({ since: "1-5" });
  line().cut();
  await pass(500);
  line().cut();
  await pass(1000);
  line().accept("");
  assert.deepEqual(log.of("open", "reset"), [["open"], ["reset", "chat", "unknown", null]]);
});

test("a browser gives up where no offered protocol is taken: the third try offers none of ours", async () => {
  const { ws } = await connecting();
  line().cut();
  await pass(500);
  line().cut();
  await pass(1000);
  assert.deepEqual(FakeSocket.made.map(({ protocols }) => protocols), [["wspush.v1"], ["wspush.v1"], []]);
  line().accept("");
  assert.deepEqual([ws.state, ws.protocol], ["open", ""]);
  await pass(15000);
  assert.deepEqual(line().protocols, ["wspush.v1"], "and now and then ours is tried again");
  line().onopen();
  await settle();
  assert.deepEqual(line().protocols, ["wspush.v1"]);
  line().hello();
  assert.deepEqual([ws.state, ws.protocol], ["open", "wspush.v1"]);
});

test("a server that is known to speak wspush.v1 is never used without it", async () => {
  setRandom(() => 0);
  await opened();
  for (let i = 0; i < 8; i++) {
    line().cut();
    await pass(0);
    assert.deepEqual([FakeSocket.made.length, line().protocols], [i + 2, ["wspush.v1"]]);
  }
  line().cut();
  await pass(0);
  assert.equal(FakeStream.made.length, 1, "and by a stream after eight tries");
});

test("tries while the browser is offline do not count", async () => {
  setRandom(() => 0);
  await opened();
  fireWindow("offline", { onLine: false });
  for (let i = 0; i < 20; i++) {
    line().cut();
    await pass(0);
  }
  assert.deepEqual([FakeSocket.made.length, FakeStream.made.length], [21, 0]);
});

// ---- event streams ----

async function onStream(options) {
  const made = await connecting(options);
  for (let i = 0; i < 3; i++) {
    line().cut();
    await pass(1000 * 2 ** i);
  }
  return made;
}

test("after three sockets that did not come up: an event stream, and it says so", async () => {
  const { ws, log } = await onStream({ since: "1-5" });
  assert.equal(FakeSocket.made.length, 3);
  assert.equal(stream().url, "https://www.example.com/chat?since=1-5");
  stream().accept();
  assert.deepEqual([ws.state, ws.transport, ws.protocol, ws.readyState], ["open", "sse", "", 1]);
  assert.deepEqual(log.slice(-2), [["state", "open", "sse"], ["open"]]);
});

test("a stream that does not come up either: the socket has its turn again", async () => {
  await onStream();
  stream().cut(true);
  await pass(4000);
  assert.equal(FakeSocket.made.length, 4);
  line().cut();
  await pass(8000);
  assert.equal(FakeSocket.made.length, 5);
  line().cut();
  await pass(15000);
  assert.equal(FakeStream.made.length, 2);
});

test("a socket that came up and was refused or cut is no reason for a stream", async () => {
  await connecting();
  for (let i = 0; i < 5; i++) {
    line().accept();
    line().cut(4401);
    await pass(30000);
  }
  assert.equal(FakeStream.made.length, 0);
});

test("what a stream brings", async () => {
  const { ws, log } = await onStream();
  ws.binaryType = "arraybuffer";
  stream().accept();
  stream().say("hello", '{"client":"c5","user":"bob","channels":["shop:7"]}', "1-3");
  stream().say("message", "one", "1-4");
  stream().say("message", "to me");
  stream().say("binary", "AAE=", "1-5");
  stream().say("beat", "");
  stream().say("presence", '{"ch":"shop:7","users":[]}');
  stream().say("join", '{"ch":"shop:7","user":"al"}');
  stream().say("leave", '{"ch":"shop:7","user":"al"}');
  stream().say("reset", '{"ch":"shop:7","why":"slow","id":"1-9"}', "1-9");
  assert.deepEqual(log.of("message", "presence", "join", "leave", "reset"), [["message", "shop:7", "1-4", "one"],
    ["message", null, null, "to me"],
    ["message", "shop:7", "1-5", Uint8Array.of(0, 1).buffer], ["presence", "shop:7", []],
    ["join", "shop:7", "al"], ["leave", "shop:7", "al"], ["reset", "shop:7", "slow", "1-9"]]);
  assert.equal(ws.user, "bob");
  stream().cut();
  await pass(1000);
  assert.equal(line().url, "wss://www.example.com/chat?since=1-9", "first a socket again");
  line().cut();
  await pass(1000);
  line().cut();
  await pass(2000);
  assert.equal(stream().url, "https://www.example.com/chat?since=1-9");
});

test("a stream without a position can't be resumed, and says so", async () => {
  const { log } = await onStream({ transports: ["sse", "websocket"] });
  stream().accept();
  stream().cut();
  await pass(1000);
  line().hello();
  assert.deepEqual(log.of("reset"), [["chat", "unknown", null]]);
});

test("a head that a beat names is a position", async () => {
  await onStream();
  stream().accept();
  stream().say("beat", "", "1-3");
  stream().cut();
  await pass(1000);
  assert.match(line().url, /since=1-3$/);
});

test("a stream that is silent for a minute is dead", async () => {
  const { ws } = await connecting({ transports: ["sse"] });
  stream().accept();
  for (let i = 0; i < 10; i++) {
    await pass(59000);
    stream().say("beat", "");
  }
  await pass(59999);
  assert.equal(ws.state, "open");
  await pass(1);
  assert.equal(ws.state, "waiting");
  await pass(500);
  assert.equal(FakeStream.made.length, 2);
  assert.equal(FakeSocket.made.length, 0);
});

test("a stream that the site closes stays closed", async () => {
  const { ws, log } = await connecting({ transports: ["sse"] });
  stream().accept();
  stream().say("close", '{"code":1000,"reason":"that was all"}');
  assert.deepEqual(log.of("close"), [[1000, "that was all", true]]);
  assert.equal(ws.readyState, 3);
});

test("on a stream a socket is tried now and then, and taken when it comes up", async () => {
  const { ws, log } = await onStream();
  stream().accept();
  await pass(14999);
  assert.equal(FakeSocket.made.length, 3);
  await pass(1);
  assert.equal(FakeSocket.made.length, 4);
  stream().say("message", "meanwhile", "1-1");
  line().onclose();
  await pass(29999);
  assert.equal(FakeSocket.made.length, 4);
  stream().say("beat", "");
  await pass(1);
  assert.equal(FakeSocket.made.length, 5);
  line().onopen();
  await settle();
  assert.equal(stream().readyState, 2);
  assert.equal(FakeSocket.made.length, 6);
  assert.match(line().url, /since=1-1$/);
  line().hello("1-1");
  assert.deepEqual([ws.state, ws.transport], ["open", "websocket"]);
  assert.deepEqual(log.of("open", "reset"), [["open"]]);
});

test("a probe that comes up when the stream is gone changes nothing", async () => {
  const { ws } = await onStream();
  stream().accept();
  await pass(15000);
  const probe = line();
  stream().cut();
  probe.onopen();
  await settle();
  assert.equal(ws.state, "waiting");
});

test("the pause between two probes is 5 min at most", async () => {
  await onStream();
  stream().accept();
  const at = [];
  for (let second = 5; second < 1500; second += 5) {
    await pass(5000);
    stream().say("beat", "");
    if (line().readyState)
      continue;
    at.push(second);
    line().readyState = 3;
    line().onclose?.();
  }
  assert.deepEqual(at.map((second, i) => second - (at[i - 1] ?? 0)), [15, 30, 60, 120, 240, 300, 300, 300]);
});

test("over a stream the page sends by POST, one after the other", async () => {
  const posted = [];
  let answer;
  globalThis.fetch = (url, request) => new Promise((resolve, reject) => {
    posted.push([String(url), request.method, request.body.type, request.body]);
    answer = { resolve, reject };
  });
  const { ws, log } = await connecting({ transports: ["sse"], getToken: () => "t" });
  stream().accept();
  ws.send("one");
  ws.send(Uint8Array.of(2));
  ws.send("three");
  ws.send("four");
  ws.send("impossible", "news");
  assert.deepEqual(posted, [["https://www.example.com/chat?token=t", "POST", undefined, "one"]]);
  answer.resolve({ ok: true });
  await settle();
  assert.equal(posted[1][2], "application/octet-stream");
  assert.deepEqual(new Uint8Array(await posted[1][3].arrayBuffer()), Uint8Array.of(2));
  answer.resolve({ ok: false, status: 403, text: async () => "" });
  await settle();
  answer.resolve({ ok: false, status: 502, text: async () => { throw new TypeError("broken off"); } });
  await settle();
  answer.reject(new TypeError("network"));
  await settle();
  assert.deepEqual(log.of("error"), [["post", undefined, Uint8Array.of(2)], ["post", undefined, "three"],
    ["post", undefined, "four"], ["unsent", "news", "impossible"]]);
  ws.send("five");
  ws.send("six");
  answer.resolve({ ok: true });
  await settle();
  ws.close(3000, "x");
  await pass(10);
  assert.equal(posted.at(-1)[3], "six");
  assert.deepEqual(log.of("close"), []);
  answer.resolve({ ok: true });
  await settle();
  await pass(1);
  assert.deepEqual(log.of("close"), [[3000, "x", true]]);
});

test("a POST that hangs is given up after a minute, and what waits behind it goes out", async () => {
  const posted = [];
  mock.method(AbortSignal, "timeout", (ms) => {
    const given = new AbortController();
    setTimeout(() => given.abort(new DOMException("it took too long", "TimeoutError")), ms);
    return given.signal;
  });
  globalThis.fetch = (url, { body, signal }) => new Promise((resolve, reject) => {
    posted.push(body);
    signal?.addEventListener("abort", () => reject(signal.reason));
  });
  const { ws, log } = await connecting({ transports: ["sse"] });
  stream().accept();
  ws.send("hangs");
  ws.send("waits");
  await pass(59000);
  stream().say("beat", "");
  assert.deepEqual(posted, ["hangs"]);
  await pass(1000);
  assert.deepEqual(log.of("error"), [["post", undefined, "hangs"]]);
  assert.deepEqual(posted, ["hangs", "waits"]);
});

test("a refused stream asks for a fresh token", async () => {
  let asked = 0;
  await connecting({ transports: ["sse"], getToken: () => `${++asked}` });
  stream().cut(true);
  await pass(1000);
  assert.match(stream().url, /token=2$/);
  stream().accept();
  stream().cut(false);
  await pass(1000);
  assert.match(stream().url, /token=2$/);
});

test("without WebSocket at all: the stream at once", async () => {
  delete globalThis.WebSocket;
  await connecting();
  assert.equal(FakeStream.made.length, 1);
});
