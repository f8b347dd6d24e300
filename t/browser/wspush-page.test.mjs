/*
 * WSPush in Chromium against the real worker, as the test page shows it (?mode=wspush): breaking off and coming back, resume
 * and reset, presence, event streams, offline.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { entries, entry, openConnected, openPage, startBrowser, type, waitForState } from "./browser.mjs";
import { startSite, until } from "./site.mjs";

let site;
let chromium;

before(async () => {
  site = await startSite();
  chromium = await startBrowser();
});

after(async () => {
  await chromium?.stop();
  await site?.stop();
});

const address = (channel, more = "") => `${site.url}/${channel}/?mode=wspush${more}`;
const texts = async (page) => (await entries(page, "in")).map((e) => e.text);
const states = async (page) => (await entries(page, "state")).map((e) => e.state);
const send = (channel, lines) => site.wsctl(["send", "--lines", channel], lines.join("\n") + "\n");
const numbered = (count, name) => Array.from({ length: count }, (_, i) => `${name} ${i}`);

// The first retry after as long as it may take, so that there is time to do things meanwhile.
const slowRetry = () => { Math.random = () => 0.999; };

function wspushTest(name, channel, body, options) {
  test(name, async () => {
    const page = await openConnected(chromium.browser, address(channel), options);
    await body(page, channel);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });
}

test("the switch goes there and back, in the address", async () => {
  const page = await openConnected(chromium.browser, `${site.url}/test/switch/?x=1`);
  assert.equal(await page.evaluate(() => socket instanceof WebSocket), true);
  assert.equal(await page.locator("#break").isVisible(), false);
  await page.click(".other-mode");
  await page.waitForURL(`${site.url}/test/switch/?x=1&mode=wspush`);
  await waitForState(page, "OPEN");
  assert.equal(await page.evaluate(() => socket instanceof WSPush), true);
  assert.equal(await page.textContent('[data-fact="protocol"]'), "wspush.v1");
  await page.click(".other-mode");
  await page.waitForURL(`${site.url}/test/switch/?x=1`);
  await waitForState(page, "OPEN");
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

wspushTest("both ways, with ids", "wspush/both", async (page, channel) => {
  assert.equal(String(await site.wsctl(["wait", channel])), '["1","2","3"]\n');
  await site.wsctl(["send", channel, "héllo"]);
  await site.wsctl(["send", "--binary", channel], Buffer.from([0, 1, 255]));
  assert.match((await entry(page, "in")).id, /^\d+-\d+$/);
  assert.equal((await entry(page, "in", 1)).hex, "00 01 ff");
  await page.check("#as-binary");
  await type(page, "back 房");
  assert.equal(String(await site.wsctl(["wait", channel])), "back 房\n");
});

wspushTest("broken off: it comes back with what it missed, once and in order", "wspush/break", async (page, channel) => {
  await site.wsctl(["wait", channel]);
  await send(channel, numbered(10, "before"));
  for (let i = 0; i < 3; i++) {
    await page.click("#break");
    await waitForState(page, "WAITING");
    await send(channel, numbered(20, `missed ${i}`));
    await type(page, `said meanwhile ${i}`);
    await waitForState(page, "OPEN");
    await send(channel, numbered(5, `after ${i}`));
  }
  await until(async () => (await texts(page)).length >= 85, "85 messages");
  assert.deepEqual(await texts(page), [...numbered(10, "before"),
    ...[0, 1, 2].flatMap((i) => [...numbered(20, `missed ${i}`), ...numbered(5, `after ${i}`)])]);
  for (let i = 0; i < 3; i++)
    assert.equal(String(await site.wsctl(["wait", channel])), `said meanwhile ${i}\n`);
  assert.deepEqual((await states(page)).slice(1, 4), ["waiting", "connecting", "open"]);
  assert.equal((await entries(page, "open")).length, 1);
  assert.equal((await entries(page, "close")).length, 0);
  assert.equal((await entries(page, "reset")).length, 0);
}, { init: slowRetry });

wspushTest("away for longer than the history goes back: a reset, and on from there", "wspush/reset", async (page, channel) => {
  await send(channel, numbered(3, "before"));
  await entry(page, "in", 2);
  await page.click("#break");
  await waitForState(page, "WAITING");
  await send(channel, numbered(150, "missed"));
  const reset = await entry(page, "reset");
  assert.equal(reset.why, "gone");
  await waitForState(page, "OPEN");
  await send(channel, numbered(2, "after"));
  await until(async () => (await texts(page)).includes("after 1"), "what comes after");
  assert.deepEqual(await texts(page), [...numbered(3, "before"), ...numbered(2, "after")]);
}, { init: slowRetry });

wspushTest("a receipt comes when the page's handlers have run", "wspush/acked", async (page, channel) => {
  const said = JSON.parse(await site.wsctl(["--json", "send", "--wait=acked", channel, "did you?"]));
  assert.match(JSON.stringify(said), /acked/);
  assert.equal((await entry(page, "in")).text, "did you?");
});

wspushTest("wsctl close ends it for good", "wspush/closed", async (page, channel) => {
  await site.wsctl(["close", channel]);
  await waitForState(page, "CLOSED");
  assert.equal((await entry(page, "close")).code, "1000");
  await site.wsctl(["send", channel, "to nobody"]);
  assert.deepEqual(await states(page), ["open", "closed"]);
});

wspushTest("asked to leave (1012, 1001, 1013), it comes back", "wspush/leave", async (page, channel) => {
  for (const [i, code] of ["1012", "1001", "1013"].entries()) {
    await site.wsctl(["close", channel, code]);
    await until(async () => (await states(page)).filter((s) => s === "open").length === i + 2, "it to be back");
  }
  await site.wsctl(["send", channel, "here again"]);
  assert.equal((await entry(page, "in")).text, "here again");
});

test("who is here: a user with two pages comes once, and goes with the last", async () => {
  const names = (page) => page.locator("#users li").evaluateAll((items) => items.map((item) => item.dataset.user));
  const open = (user) => openConnected(chromium.browser, address("wspush/here", `&user=${user}`));
  const alice = await open("alice");
  await until(async () => `${await names(alice)}` === "alice", "alice to see herself");
  const bob = await open("bob");
  await until(async () => `${await names(bob)}` === "alice,bob", "bob to see both");
  await until(async () => `${await names(alice)}` === "alice,bob", "alice to see both");
  const again = await open("bob");
  await again.context().close();
  await site.wsctl(["send", "wspush/here", "after the second bob"]);
  await entry(alice, "in");
  assert.equal((await entries(alice, "note")).length, 1, "bob came once and is still there");
  await bob.context().close();
  await until(async () => `${await names(alice)}` === "alice", "bob to have gone");
  assert.deepEqual((await entries(alice, "note")).map((e) => e.join ?? `-${e.leave}`), ["bob", "-bob"]);
  await alice.evaluate(() => { Math.random = () => 0.9; });
  await alice.click("#break");
  await waitForState(alice, "WAITING");
  assert.equal(await alice.textContent("#presence-hint"), "", "who is here is not known now");
  assert.deepEqual(alice.complaints, []);
  await alice.context().close();
});

test("who is here: too many to be listed are counted", async () => {
  await site.configure('channel "wspush/crowd" { presence_users = 1 }\n');
  const open = (user) => openConnected(chromium.browser, address("wspush/crowd", `&user=${user}`));
  const hint = (page) => page.textContent("#presence-hint");
  const listed = (page) => page.locator("#users li").count();
  const alice = await open("alice");
  await until(async () => await listed(alice) === 1, "alice to see herself");
  const bob = await open("bob");
  await until(async () => /: 2 /.test(await hint(alice)) && /: 2 /.test(await hint(bob)), "both to see the number");
  assert.equal(await listed(alice), 0);
  await bob.context().close();
  await until(async () => await listed(alice) === 1, "alice to see herself again");
  assert.equal(await hint(alice), "");
  assert.deepEqual(alice.complaints, []);
  await alice.context().close();
});

test("another channel, on the same line", async () => {
  const page = await openConnected(chromium.browser, address("wspush/own"));
  await page.evaluate(() => {
    window.heard = [];
    socket.addEventListener("message", ({ channel, data }) => window.heard.push(`${channel}: ${data}`));
    socket.addEventListener("error", ({ code, channel }) => window.heard.push(`${code} ${channel}`));
    socket.subscribe("wspush/forbidden");
  });
  await until(() => page.evaluate(() => window.heard.length), "an answer");
  assert.deepEqual(await page.evaluate(() => window.heard), ["forbidden wspush/forbidden"]);
  await page.context().close();
});

// What a proxy does that knows no WebSocket.
function noSocket() {
  window.socketsTried = 0;
  window.WebSocket = class extends EventTarget {
    static OPEN = 1;
    constructor() {
      super();
      window.socketsTried++;
      setTimeout(() => this.dispatchEvent(Object.assign(new Event("close"), { code: 1006, reason: "", wasClean: false })), 10);
    }
    close() {}
  };
  Math.random = () => 0.1;
}

test("where no WebSocket comes up: an event stream, which is broken off and resumed", async () => {
  const page = await openPage(chromium.browser, address("wspush/stream"), { init: noSocket });
  await waitForState(page, "OPEN");
  assert.equal(await page.textContent('[data-fact="state"]'), "open, sse");
  // What the page says at its open comes back: it is published by POST.
  assert.equal((await entry(page, "in")).text, '["1","2","3"]');
  await site.wsctl(["send", "wspush/stream", "one\r\ntwo\n"]);
  await site.wsctl(["send", "--binary", "wspush/stream"], Buffer.from([0, 255]));
  assert.equal((await entry(page, "in", 1)).text, "one\ntwo\n");
  assert.equal((await entry(page, "in", 2)).hex, "00 ff");
  for (let i = 0; i < 2; i++) {
    await page.evaluate(() => { Math.random = () => 0.3; });
    await page.click("#break");
    await waitForState(page, "WAITING");
    await send("wspush/stream", numbered(20, `missed ${i}`));
    await waitForState(page, "OPEN");
  }
  await until(async () => (await texts(page)).length >= 43, "43 messages");
  assert.deepEqual((await texts(page)).slice(3), [...numbered(20, "missed 0"), ...numbered(20, "missed 1")]);
  assert.equal((await entries(page, "reset")).length, 0);
  await page.context().close();
});

test("a stream that has brought nothing yet can be resumed, or says that it can't", async () => {
  const page = await openConnected(chromium.browser, address("wspush/beside"));
  await page.evaluate(() => {
    Math.random = () => 0.9;
    window.heard = [];
    window.stream = new WSPush("/wspush/silent", { transports: ["sse"] });
    for (const type of ["open", "message", "reset", "state"])
      window.stream.addEventListener(type, ({ data, why, state }) => window.heard.push(state ?? data ?? why ?? type));
  });
  const heard = (what) => until(async () => (await page.evaluate(() => window.heard)).includes(what), what);
  await heard("open");
  await page.click("#break");
  await heard("waiting");
  await site.wsctl(["send", "wspush/silent", "missed"]);
  await until(() => page.evaluate(() => window.stream.state === "open"), "it to be back");
  await site.wsctl(["send", "wspush/silent", "after"]);
  await heard("after");
  const rest = (await page.evaluate(() => window.heard)).filter((what) => ["missed", "unknown"].includes(what));
  assert.equal(rest.length, 1, `${rest}`);
  await page.context().close();
});

test("over a stream the page sends by POST", async () => {
  const page = await openPage(chromium.browser, address("wspush/post"), { init: noSocket });
  await waitForState(page, "OPEN");
  await type(page, "said by POST");
  await until(async () => (await texts(page)).includes("said by POST"), "it to be published");
  assert.equal((await entries(page, "error")).length, 0);
  await page.context().close();
});

test("the browser's offline switch: it waits, and is back at once", async () => {
  const page = await openConnected(chromium.browser, address("wspush/offline"), { init: () => { Math.random = () => 0.9; } });
  await site.wsctl(["send", "wspush/offline", "before"]);
  await entry(page, "in");
  await page.context().setOffline(true);
  await page.click("#break");
  await waitForState(page, "OFFLINE");
  await send("wspush/offline", numbered(5, "missed"));
  const began = Date.now();
  await page.context().setOffline(false);
  await waitForState(page, "OPEN");
  assert.ok(Date.now() - began < 3000, `${Date.now() - began} ms`);
  await until(async () => (await texts(page)).length >= 6, "what it missed");
  assert.deepEqual(await texts(page), ["before", ...numbered(5, "missed")]);
  await page.context().close();
});

test("away to another page and back (pagehide, pageshow): on it goes", async () => {
  const page = await openConnected(chromium.browser, address("wspush/history"));
  await page.evaluate(() => { window.isOld = true; });
  await page.goto(`${site.url}/test/elsewhere/`);
  await page.goBack();
  await waitForState(page, "OPEN");
  await site.wsctl(["send", "wspush/history", "and here"]);
  await entry(page, "in");
  await page.context().close();
});
