/* npm's ws, through nginx and straight on the worker's Unix socket. */
import { createClient } from "redis";
import { Browser, CONTROL, SITE, WS_SOCKET, assert, check, equal, main, until, versionOf, within } from "./check.mjs";

const MEBI = 1024 * 1024;

const operator = await createClient({ socket: { path: CONTROL } }).connect();
const say = (...command) => operator.sendCommand(command.map(String));

const ways = [
  ["through nginx", (path) => `ws://${SITE}/${path}`, `http://${SITE}`],
  ["straight", (path) => `ws+unix:${WS_SOCKET}:/${path}`, "http://localhost"],
];
let channels = 0;
// A check of either way to the worker; the body gets open(path, options), a channel of its own, and what differs.
function bothWays(sentence, body) {
  for (const [way, address, origin] of ways) {
    check(`${way}: ${sentence}`, async () => {
      const opened = [];
      const open = async (path, options) => {
        const browser = await Browser.open(address(path), options);
        opened.push(browser);
        return browser;
      };
      try {
        await body(open, `ws${++channels}`, { address, origin });
      } finally {
        for (const browser of opened)
          browser.ws.terminate();
      }
    });
  }
}

bothWays("connects, and what is pushed arrives: text, binary, empty", async (open, channel) => {
  const page = await open(`${channel}/`);
  equal([page.ws.protocol, page.ws.readyState], ["", 1]);
  equal(await say("PUBLISH", channel, "房间 🙂"), 1);
  equal((await operator.sendCommand(["WS.SEND", channel, Buffer.from([0, 255]), "BINARY"]))[0], 1);
  equal(await say("PUBLISH", channel, ""), 1);
  equal(await page.hear(3), ["房间 🙂", Buffer.from([0, 255]), ""]);
});

bothWays("echoes text, binary, empty ones and 1 MiB, to the byte", async (open, channel) => {
  const page = await open(`echo/${channel}`);
  const all = Buffer.from(Array.from({ length: MEBI }, (_, i) => (i * 7) % 256));
  const messages = [
    "hello", "房间 🙂", Buffer.from([0, 1, 255]), "", Buffer.alloc(0), "x".repeat(125), "x".repeat(126),
    "y".repeat(65535), "z".repeat(65536), "ä".repeat(MEBI / 2), all, "after",
  ];
  // In words rather than by equal(), which would print a mebibyte.
  const same = (a, b) => typeof a === typeof b && Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0;
  for (const message of messages)
    page.ws.send(message);
  const got = await page.hear(messages.length);
  messages.forEach((message, i) => assert.ok(same(message, got[i]), `message ${i} of ${message.length} is another`));
});

bothWays("echoes what came in fragments as one message, control frames between them", async (open, channel) => {
  const page = await open(`echo/${channel}`);
  const send = (data, fin) => page.ws.send(data, { fin, binary: false });
  const euro = Buffer.from("€"); // cut within a character
  send("one ", false);
  page.ws.ping("between");
  send("", false);
  send(euro.subarray(0, 1), false);
  page.ws.pong("unasked");
  send(euro.subarray(1), false);
  send("", true);
  for (let i = 0; i < 64; i++)
    page.ws.send(Buffer.alloc(MEBI / 64, i), { fin: i === 63 });
  const [text, bytes] = await page.hear(2);
  equal([text, page.pongs], ["one €", ["between"]]);
  equal(Buffer.compare(bytes, Buffer.concat(Array.from({ length: 64 }, (_, i) => Buffer.alloc(MEBI / 64, i)))), 0);
});

bothWays("answers pings with what they carried", async (open, channel) => {
  const page = await open(`echo/${channel}`);
  const payloads = ["", "x", "y".repeat(125)];
  for (const payload of payloads) {
    page.ws.ping(payload);
    await until(() => page.pongs.length > 0, "the pong");
    equal(page.pongs.splice(0), [payload]);
  }
  for (let i = 0; i < 1000; i++)
    page.ws.ping(`${i}`);
  page.ws.send("behind them");
  equal(await page.hear(1), ["behind them"]);
  await until(() => page.pongs.at(-1) === "999", "the newest pong");
  const numbers = page.pongs.map(Number);
  equal(numbers, [...numbers].sort((a, b) => a - b), "the pongs' order");
});

bothWays("is pinged by the worker, answers, and stays", async (open, channel) => {
  const page = await open(`pinged/${channel}`);
  await until(() => page.pings >= 3, "three pings");
  const row = async () => (await say("WS.LIST", `pinged/${channel}`))[0];
  await until(async () => (await row()).ping !== null, "the time that a ping took");
  equal(page.ws.readyState, 1);
});

bothWays("is closed with 1011 when it answers no pings", async (open, channel) => {
  const page = await open(`deaf/${channel}`, { autoPong: false });
  equal(await page.end(), [1011, "no answer to a ping"]);
});

bothWays("a close of the client's is answered with its code and reason", async (open, channel) => {
  const ends = [[1000], [1000, "bye"], [1001, "the page is left"], [3000, "a".repeat(123)], [4999, "🙂"]];
  for (const [code, reason] of ends) {
    const page = await open(`echo/${channel}`);
    equal(await page.close(code, reason), [code, reason ?? ""]);
  }
  const page = await open(`echo/${channel}`);
  equal(await page.close(), [1005, ""], "without a code");
});

bothWays("WS.CLOSE's code and reason arrive", async (open, channel) => {
  const ends = [[1000, ""], [1000, "done"], [1001, "away"], [3000, "a".repeat(123)], [4000, "房间"], [4999, "🙂"]];
  for (const [code, reason] of ends) {
    const page = await open(channel);
    equal(await say("WS.CLOSE", channel, code, reason), 1);
    equal(await page.end(), [code, reason]);
  }
  const page = await open(channel);
  equal(await say("PUBLISH", channel, "last words"), 1);
  equal(await say("WS.CLOSE", channel), 1);
  equal(await page.end(), [1000, ""]);
  equal(page.heard, ["last words"]);
});

bothWays("a message over the limit: 1009, also while more is being sent", async (open, channel) => {
  // The large one is a race between our close frame and what the client is still sending: many rounds.
  for (const [kind, size, rounds] of [["echo", MEBI + 1, 5], ["echo", 16 * MEBI, 20], ["small", 1025, 5]]) {
    for (let i = 0; i < rounds; i++) {
      const page = await open(`${kind}/${channel}`);
      page.ws.on("error", () => {});
      page.ws.send(Buffer.alloc(size));
      equal(await page.end(), [1009, "message too big"], `${size} bytes`);
    }
  }
  const page = await open(`small/${channel}`);
  page.ws.send("x".repeat(1024));
  equal(await page.hear(1), ["x".repeat(1024)]);
  page.ws.send("x".repeat(1000), { fin: false });
  page.ws.send("x".repeat(25));
  equal(await page.end(), [1009, "message too big"], "in fragments");
});

bothWays("10,000 small messages come back in order", async (open, channel) => {
  const page = await open(`echo/${channel}`);
  const messages = Array.from({ length: 10000 }, (_, i) => `message ${i}`);
  for (const message of messages)
    page.ws.send(message);
  equal(await page.hear(10000), messages);
});

bothWays("a client that reads nothing for a while gets all of its echoes", async (open, channel) => {
  const page = await open(`echo/${channel}`, { perMessageDeflate: false }); // compressed, it would all fit
  page.ws.pause();
  const message = "x".repeat(1000);
  for (let i = 0; i < 10000; i++)
    page.ws.send(`${i} ${message}`);
  const sent = async () => (await say("WS.LIST", `echo/${channel}`))[0].queued > 100000;
  await until(sent, "the worker's queue to fill");
  page.ws.resume();
  equal((await page.hear(10000)).map((text) => parseInt(text)), Array.from({ length: 10000 }, (_, i) => i));
});

bothWays("permessage-deflate: offered, agreed on, and messages come back", async (open, channel) => {
  for (const perMessageDeflate of [true, { clientMaxWindowBits: 10, serverMaxWindowBits: 10, threshold: 0 }, false]) {
    const page = await open(`echo/${channel}`, { perMessageDeflate });
    equal(page.ws.extensions, perMessageDeflate ? "permessage-deflate" : "");
    for (const message of ["a".repeat(10000), "", "short", Array.from({ length: 3000 }, (_, i) => i).join(" ")]) {
      page.ws.send(message);
      equal(await page.hear(1), [message]);
    }
  }
});

bothWays("a foreign Origin gets 403; the site's own, a listed one and none come in", async (open, channel, way) => {
  const { address, origin } = way;
  await open(channel, { origin });
  await open(channel);
  await open(`friends/${channel}`, { origin: "https://friend.example" });
  for (const foreign of ["https://evil.example", "https://friend.example", "null", `${origin}.evil.example`]) {
    const page = new Browser(address(channel), [], { origin: foreign });
    await assert.rejects(within(page.opened, "an answer"), { message: "Unexpected server response: 403" }, foreign);
  }
});

bothWays("other versions of the protocol get 426 with Sec-WebSocket-Version: 13", async (_, channel, { address }) => {
  const page = new Browser(address(channel), [], { protocolVersion: 8 });
  const answer = new Promise((resolve) => page.ws.on("unexpected-response", (request, response) => resolve(response)));
  const response = await within(answer, "an answer");
  response.resume();
  equal([response.statusCode, response.headers["sec-websocket-version"]], [426, "13"]);
});

bothWays("a client that vanishes is gone from WS.LIST", async (open, channel) => {
  const stays = await open(channel);
  const vanishes = await open(channel);
  equal((await say("WS.LIST", channel)).length, 2);
  vanishes.ws.terminate();
  await until(async () => (await say("WS.LIST", channel)).length === 1, "one client");
  equal(await say("PUBLISH", channel, "still here"), 1);
  equal(await stays.hear(1), ["still here"]);
});

bothWays("two hundred at a time, each gets all that is pushed, in order", async (open, channel) => {
  const pages = await Promise.all(Array.from({ length: 200 }, () => open(channel)));
  const messages = Array.from({ length: 100 }, (_, i) => `message ${i}`);
  equal(await Promise.all(messages.map((text) => operator.publish(channel, text))), messages.map(() => 200));
  for (const page of pages)
    equal(await page.hear(100), messages);
  equal(await say("WS.CLOSE", channel, 4000, "all of you"), 200);
  for (const page of pages)
    equal(await page.end(), [4000, "all of you"]);
});

main(versionOf("ws"));
