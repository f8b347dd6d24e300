/*
 * Debian's Chromium: the WebSocket of a page. The page is the site's own, so the worker sees that origin. Connections live
 * in the page; what they hear is fetched from it in one go, as often as there is something.
 */
import { startBrowser } from "../../browser/browser.mjs";
import { serve } from "./lines.mjs";

const cannot = {
  plain: "a browser always offers compression",
  fragments: "a browser sends whole messages",
  ping: "a page can't send pings",
  deaf: "it answers every ping by itself",
  pause: "a page can't stop reading",
  window: "a page can't say what is offered",
  origin: "the origin is the page's",
  version: "a browser speaks version 13 only",
  status: "a page is not told why it was refused",
  drop: "a page can't leave without a close",
  close_any: "a page may close with 1000 and 3000 to 4999 only",
  bad_utf8: "a text is a string of JavaScript",
};

// Runs in the page.
function prepare() {
  const events = [];
  let wake;
  const sockets = {};
  const encoder = new TextEncoder();
  const hexOf = (data) => (typeof data === "string" ? encoder.encode(data) : new Uint8Array(data)).toHex() || "-";
  const bytesOf = (word) => {
    const [hex, times] = word.split("*");
    const once = Uint8Array.fromHex(hex === "-" ? "" : hex);
    return times ? new Uint8Array(Number(times)).fill(once[0]) : once; // only single bytes are repeated
  };
  const tell = (...event) => {
    events.push(event);
    wake?.();
  };
  window.interop = {
    open(number, url, protocols) {
      const ws = sockets[number] = new WebSocket(url, protocols);
      let opened = false;
      ws.binaryType = "arraybuffer";
      ws.onopen = () => {
        opened = true;
        tell(number, "opened", ws.extensions ? "deflate" : "plain", ws.protocol || "-");
      };
      ws.onmessage = ({ data }) => tell(number, typeof data === "string" ? "text" : "binary", hexOf(data));
      ws.onclose = ({ code, reason }) => opened ? tell(number, "closed", code, hexOf(reason)) : tell(number, "refused", 0);
    },
    text: (number, word) => sockets[number].send(new TextDecoder().decode(bytesOf(word))),
    binary: (number, word) => sockets[number].send(bytesOf(word)),
    close: (number, ...how) => sockets[number].close(...how),
    async take() {
      while (events.length === 0)
        await new Promise((resolve) => { wake = resolve; });
      return events.splice(0);
    },
  };
}

const chromium = await startBrowser();
// The site's pages have a policy that lets them connect to the site only.
const context = await chromium.browser.newContext({ bypassCSP: true });
const page = await context.newPage();
await page.goto(`http://127.0.0.1:${process.env.WSPUSH_PORT}/interop/`);
await page.evaluate(prepare);

// Commands go in their order: one call at a time, each with all that has come meanwhile.
let waiting = [];
let calling = false;
async function call(...command) {
  waiting.push(command);
  if (calling)
    return;
  calling = true;
  while (waiting.length > 0)
    await page.evaluate((commands) => commands.forEach(([verb, ...rest]) => window.interop[verb](...rest)), waiting.splice(0));
  calling = false;
}

const tells = [];
async function listen() {
  for (;;) {
    for (const [number, ...event] of await page.evaluate(() => window.interop.take()))
      tells[number](...event);
  }
}
listen();

serve(`chromium ${chromium.browser.version()}`, cannot, (url, options, tell) => {
  const number = tells.push(tell) - 1;
  call("open", number, url, options.protocols?.split(",") ?? []);
  return {
    text: (data, word) => call("text", number, word),
    binary: (data, word) => call("binary", number, word),
    close: (code, reason) => call("close", number, ...(code === undefined ? [] : [code, reason])),
    drop: () => call("close", number),
  };
});
