/*
 * What the test page does by itself: what it shows, sends, refuses and survives. Each test has a channel of its own, so
 * none reads what another's page has sent.
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

// Opens the page of a channel of its own, runs the test, and sees that the browser had nothing to complain of.
function pageTest(name, channel, body, options) {
  test(name, async () => {
    const page = await openConnected(chromium.browser, `${site.url}/${channel}/`, options);
    await body(page, decodeURIComponent(channel));
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });
}

const facts = (page) => page.locator("[data-fact]").evaluateAll((nodes) =>
  Object.fromEntries(nodes.map((node) => [node.dataset.fact, node.textContent])));

pageTest("it shows what the WebSocket object says", "test/facts", async (page) => {
  const shown = await until(async () => {
    const now = await facts(page);
    return now.bufferedAmount === "0 bytes" && now;
  }, "bufferedAmount to become 0");
  const [extensions, protocol] = await page.evaluate(() => [socket.extensions, socket.protocol]);
  assert.deepEqual(shown, {
    readyState: "1 OPEN",
    url: site.url.replace("http:", "ws:") + "/test/facts/",
    protocol: protocol || "none",
    extensions: extensions || "none",
    binaryType: "arraybuffer",
    bufferedAmount: "0 bytes",
  });
  assert.equal(await page.textContent("#command"), 'wsctl send test/facts "hello"');
  assert.equal(await page.title(), "test/facts · wspush");
});

pageTest("its address keeps the query", "test/query/?room=1&x=%2F", async (page) => {
  assert.equal((await facts(page)).url, site.url.replace("http:", "ws:") + "/test/query/?room=1&x=%2F/");
  await site.wsctl(["send", "test/query", "still the path's channel"]);
  assert.equal((await entry(page, "in")).text, "still the path's channel");
});

pageTest("/test/room/ talks to the channel test/room", "test/room", async (page, channel) => {
  await site.wsctl(["send", channel, "to the room"]);
  assert.equal((await entry(page, "in")).text, "to the room");
});

pageTest("a channel in Chinese", encodeURI("test/房间"), async (page, channel) => {
  assert.equal(await page.textContent("#channel"), "test/房间");
  assert.equal(await page.textContent("#command"), `wsctl send 'test/房间' "hello"`);
  await site.wsctl(["send", channel, "你好"]);
  assert.equal((await entry(page, "in")).text, "你好");
  assert.equal(String(await site.wsctl(["read", channel])), '["1","2","3"]\n');
});

pageTest("the command quotes its channel for the shell", encodeURI("test/it's $(id) `id` \"x\"").replaceAll("%20", "+"),
  async (page) => {
    assert.equal(await page.textContent("#command"), `wsctl send 'test/it'\\''s+$(id)+\`id\`+"x"' "hello"`);
  });

pageTest("the command is copied", "test/copy", async (page) => {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"], { origin: site.url });
  await page.click("#copy");
  await page.locator("#copy-result", { hasText: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'wsctl send test/copy "hello"');
});

pageTest("what is typed is what wsctl reads", "test/exact", async (page, channel) => {
  const texts = ['héllo 房间 🎈 <b>"quoted"</b> \\n \'', "  spaces around  ", "<tab>\t</tab>", "x".repeat(100000)];
  for (const text of texts)
    await type(page, text);
  for (const text of ['["1","2","3"]', ...texts])
    assert.equal(String(await site.wsctl(["wait", channel])), text + "\n");
  await page.fill("#text", "line one");
  await page.press("#text", "Shift+Enter");
  await page.keyboard.type("line two");
  await page.press("#text", "Enter");
  assert.equal(String(await site.wsctl(["wait", channel])), "line one\nline two\n");
});

pageTest("a message is text and never HTML", "test/html", async (page, channel) => {
  const evil = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';
  await site.wsctl(["send", channel, evil]);
  await type(page, evil);
  assert.equal((await entry(page, "in")).text, evil);
  assert.equal((await entry(page, "out", 1)).text, evil);
  await page.click("#close");
  await entry(page, "close");
  assert.equal(await page.locator("#log img, #log script").count(), 0);
  assert.notEqual(await page.title(), "owned");
});

pageTest("a close reason is text and never HTML", "test/html-reason", async (page, channel) => {
  await site.wsctl(["close", channel, "4000", "<img src=x onerror=alert(1)>"]);
  const closed = await entry(page, "close");
  assert.equal(closed.reason, "<img src=x onerror=alert(1)>");
  assert.equal(await page.locator("#log img").count(), 0);
});

pageTest("binary both ways", "test/binary", async (page, channel) => {
  const bytes = Buffer.from([0, 1, 2, 250, 255, 0x68, 0x69]);
  await site.wsctl(["send", "--binary", channel], bytes);
  const got = await entry(page, "in");
  assert.equal(got.type, "binary");
  assert.equal(got.size, "7");
  assert.equal(got.hex, "00 01 02 fa ff 68 69");

  await site.wsctl(["wait", channel]); // the page's ["1","2","3"]
  await page.check("#as-binary");
  await type(page, "héllo");
  const sent = await entry(page, "out", 1);
  assert.deepEqual([sent.type, sent.size, sent.hex], ["binary", "6", "68 c3 a9 6c 6c 6f"]);
  assert.deepEqual(await site.wsctl(["wait", channel]), Buffer.from("héllo\n"));
});

pageTest("a large binary message is shown by its size and its beginning", "test/large", async (page, channel) => {
  await site.wsctl(["send", "--binary", channel], Buffer.alloc(1000000, 0x61));
  const got = await entry(page, "in");
  assert.equal(got.size, "1000000");
  assert.equal(got.hex, Array(64).fill("61").join(" ") + " …");
});

pageTest("the page closes with a code and a reason", "test/close", async (page) => {
  await page.fill("#close-code", "3001");
  await page.fill("#close-reason", "done 再见");
  await page.evaluate(() => {
    const { close } = socket;
    socket.close = (...args) => { window.asked = args; close.apply(socket, args); };
  });
  await page.click("#close");
  await waitForState(page, "CLOSED");
  assert.deepEqual(await page.evaluate(() => window.asked), [3001, "done 再见"]);
  assert.equal((await entry(page, "note")).text, "This page closes: code 3001, reason “done 再见”");
  // The reason in the close event would be the server's, who need not repeat ours.
  const closed = await entry(page, "close");
  assert.deepEqual([closed.code, closed.clean], ["3001", "true"]);
});

pageTest("a close that the browser refuses is explained and closes nothing", "test/close-refused", async (page) => {
  await page.fill("#close-code", "1001");
  await page.click("#close");
  assert.match((await entry(page, "error")).text, /^Not closed: /);
  await page.fill("#close-code", "3001");
  await page.fill("#close-reason", "r".repeat(124));
  await page.click("#close");
  assert.match((await entry(page, "error", 1)).text, /^Not closed: /);
  await waitForState(page, "OPEN");
});

pageTest("reconnect, when closed and when open", "test/reconnect", async (page, channel) => {
  await site.wsctl(["close", channel]);
  await waitForState(page, "CLOSED");
  await type(page, "to nobody");
  assert.match((await entry(page, "note")).text, /^Not sent: the connection is CLOSED/);
  assert.equal(await page.inputValue("#text"), "to nobody");
  await page.click("#reconnect");
  await entry(page, "open", 1);
  await page.click("#reconnect");
  await entry(page, "open", 2);
  await waitForState(page, "OPEN");
  assert.deepEqual((await entries(page)).map((e) => e.kind),
    ["open", "out", "close", "note", "open", "out", "close", "open", "out"]);
  await site.wsctl(["send", channel, "once"]);
  await entry(page, "in");
  await site.wsctl(["send", channel, "only"]);
  await entry(page, "in", 1);
  assert.deepEqual((await entries(page, "in")).map((e) => e.text), ["once", "only"]);
});

pageTest("the list is bounded, in order, and says what it left out", "test/bound", async (page, channel) => {
  const lines = Array.from({ length: 1500 }, (_, i) => `line ${i + 1}`);
  await site.wsctl(["send", "--lines", channel], lines.join("\n") + "\n");
  await until(async () => (await page.textContent("#received")).replace(/\D/g, "") === "1500", "1500 messages");
  const shown = await entries(page);
  assert.equal(shown.length, 1000);
  assert.deepEqual(shown.map((e) => e.text), lines.slice(500));
  assert.match(await page.textContent("#trimmed"), /last 1,000 entries; 502 older/);
});

pageTest("the list follows its end, but not while somebody reads above it", "test/scroll", async (page, channel) => {
  const distance = () => page.locator("#view").evaluate((v) => v.scrollHeight - v.scrollTop - v.clientHeight);
  await site.wsctl(["send", "--lines", channel], "line\n".repeat(100));
  await entry(page, "in", 99);
  assert.ok(await distance() < 8);
  await page.locator("#view").evaluate((v) => { v.scrollTop = 100; });
  await until(() => page.evaluate(() => !follows), "the page to see the scroll");
  await site.wsctl(["send", channel, "below"]);
  await entry(page, "in", 100);
  assert.equal(await page.locator("#view").evaluate((v) => v.scrollTop), 100);
  await page.click("#newest");
  await until(async () => await distance() < 8, "the end of the list");
  assert.equal(await page.locator("#newest").isVisible(), false);
});

pageTest("it lives under a strict content security policy", "test/csp", async (page, channel) => {
  const response = await page.reload();
  assert.match(response.headers()["content-security-policy"], /default-src 'self'/);
  await waitForState(page, "OPEN");
  await site.wsctl(["send", channel, "under a policy"]);
  assert.equal((await entry(page, "in")).text, "under a policy");
  await page.click("#copy");
  await page.click("#close");
  await waitForState(page, "CLOSED");
  await page.click("#reconnect");
  await entry(page, "open", 1);
  const styled = await page.locator("#state").evaluate((node) => getComputedStyle(node).fontWeight);
  assert.equal(styled, "600");
});

pageTest("the keyboard alone is enough", "test/keys", async (page) => {
  await page.focus("body");
  const stops = [];
  for (let i = 0; i < 11; i++) {
    await page.keyboard.press("Tab");
    stops.push(await page.evaluate(() => document.activeElement.id));
  }
  assert.deepEqual(stops, ["clear", "view", "as-binary", "text", "send", "copy", "close-code", "close-reason",
    "close", "reconnect", ""]);
  for (let i = 0; i < 8; i++)
    await page.keyboard.press("Shift+Tab");
  await page.focus("#close-reason");
  await page.keyboard.press("Enter");
  await waitForState(page, "CLOSED");
});

pageTest("nothing is wider than a small phone", "test/narrow", async (page, channel) => {
  await site.wsctl(["send", channel, "w".repeat(500)]);
  await entry(page, "in");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
}, { viewport: { width: 320, height: 640 } });

// An empty segment is in no channel's name, so the worker answers 400; to a page that is error and 1006.
test("a connection that is refused shows error and 1006", async () => {
  const page = await openConnected(chromium.browser, `${site.url}/test/refused/`, {
    init: () => {
      const { WebSocket: Native } = window;
      let first = true;
      window.WebSocket = class extends Native {
        constructor(url) {
          super(first ? url : url.replace("/test/", "/test//"));
          first = false;
        }
      };
    },
  });
  await page.click("#reconnect");
  await entry(page, "error");
  const closed = await entry(page, "close", 1);
  assert.deepEqual([closed.code, closed.clean], ["1006", "false"]);
  await waitForState(page, "CLOSED");
  await page.context().close();
});

test("it says when the browser has no WebSocket", async () => {
  const page = await openPage(chromium.browser, `${site.url}/test/without/`, { init: () => delete window.WebSocket });
  await page.locator("#no-websocket").waitFor();
  assert.match(await page.textContent("#state"), /no WebSocket/);
  assert.equal(await page.locator("#send").isDisabled(), true);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test("it says when there is no script", async () => {
  const context = await chromium.browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(`${site.url}/test/`);
  await page.locator("noscript p").waitFor();
  await context.close();
});
