/*
 * Debian's Chromium: the EventSource of a page. A page of the URL's own site is opened for each site, so that the stream is
 * the site's own; the worker has no pages, so there it comes from another site, by CORS.
 */
import { startBrowser } from "../../browser/browser.mjs";
import { hex, serve } from "./lines.mjs";

const TYPES = ["hello", "message", "binary", "reset", "presence", "join", "leave", "beat", "close"];

const chromium = await startBrowser();
const context = await chromium.browser.newContext({ bypassCSP: true, ignoreHTTPSErrors: true });
const tells = [];
await context.exposeFunction("tell", (number, ...event) => tells[number](...event));

// Runs in the page.
function listen([number, url, types]) {
  const events = new EventSource(url);
  window.streams = { ...window.streams, [number]: events };
  events.onopen = () => window.tell(number, "opened");
  events.onerror = () => window.tell(number, events.readyState === EventSource.CLOSED ? "stopped" : "lost");
  for (const type of types)
    events.addEventListener(type, ({ data, lastEventId }) => window.tell(number, "event", type, lastEventId, data));
}

const pages = new Map();
async function open(origin) {
  const page = await context.newPage();
  await page.goto(`${origin}/interop/`);
  return page;
}
function pageOf(origin) {
  if (!pages.has(origin))
    pages.set(origin, open(origin));
  return pages.get(origin);
}

const cannot = { status: "a page is not told why it was refused" };

serve(`chromium ${chromium.browser.version()}`, cannot, (url, { page: origin }, tell) => {
  const page = pageOf(origin ?? new URL(url).origin);
  const number = tells.push((verb, type, id, data) =>
    verb === "event" ? tell(verb, type, id || "-", hex(data)) : tell(verb, ...(verb === "stopped" ? [0] : []))) - 1;
  page.then((p) => p.evaluate(listen, [number, url, TYPES]));
  return { drop: async () => (await page).evaluate((n) => window.streams[n].close(), number) };
});
