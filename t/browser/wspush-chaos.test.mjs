/*
 * Twenty tabs with WSPush on five channels, 50 messages a second, while the browser's offline switch, cuts and reloads of nginx
 * take their lines away. Each tab writes down what it gets; at the end each has every number once and in order, or a reset
 * where some are missing. CHAOS_SECONDS says for how long (20).
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { startBrowser } from "./browser.mjs";
import { startSite, until } from "./site.mjs";

const SECONDS = Number(process.env.CHAOS_SECONDS ?? 20);
const WINDOWS = 4; // each with an offline switch of its own
const CHANNELS = 5;

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

// Any document of the site will do; the style sheet is one without a script of its own.
async function openTab(context, channel) {
  const page = await context.newPage();
  await page.goto(`${site.url}/wspush/static/test.css`);
  await page.addScriptTag({ url: `${site.url}/wspush/static/wspush.global.js` });
  await page.evaluate((name) => {
    window.WebSocket = class extends WebSocket {
      constructor(...args) {
        super(...args);
        window.line = this;
      }
    };
    window.heard = [];
    window.opens = 0;
    window.ws = new WSPush(`/${name}`);
    window.ws.onmessage = ({ data }) => window.heard.push(Number(data));
    window.ws.onreset = ({ why }) => window.heard.push(why);
    window.ws.onclose = ({ code }) => window.heard.push(`closed ${code}`);
    window.ws.onstate = ({ state }) => { window.opens += state === "open"; };
  }, channel);
  return { page, channel };
}

// What is wrong in what a tab has heard: nothing, if each number follows the one before, or a reset.
function faults(heard) {
  let last = 0;
  const found = [];
  for (const [i, what] of heard.entries()) {
    if (typeof what === "string") {
      if (!["gone", "generation", "slow"].includes(what))
        found.push(what);
      continue;
    }
    const isMissed = typeof heard[i - 1] === "string" && what > last;
    if (what !== last + 1 && !isMissed)
      found.push(`${last} then ${what}`);
    last = what;
  }
  return found;
}

const random = (from, to) => from + Math.random() * (to - from);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function disturb(context, tabs, isOver) {
  while (!isOver()) {
    await sleep(random(500, 2500));
    const isOffline = Math.random() < 0.6;
    if (isOffline)
      await context.setOffline(true);
    for (const { page } of tabs)
      if (Math.random() < 0.7)
        await page.evaluate(() => window.line.close());
    await sleep(random(100, 4000));
    if (isOffline)
      await context.setOffline(false);
  }
}

test("twenty tabs, cut off again and again: every message once and in order", async () => {
  const windows = [];
  for (let i = 0; i < WINDOWS; i++) {
    const context = await chromium.browser.newContext();
    const tabs = [];
    for (let channel = 0; channel < CHANNELS; channel++)
      tabs.push(await openTab(context, `chaos/${channel}`));
    windows.push({ context, tabs });
  }
  const all = windows.flatMap(({ tabs }) => tabs);
  await until(async () => (await Promise.all(all.map(({ page }) => page.evaluate(() => window.ws.state))))
    .every((state) => state === "open"), "all to be open");

  const count = SECONDS * 10;
  const senders = Array.from({ length: CHANNELS }, (_, i) =>
    site.startWsctl(["send", "--count", `${count}`, "--interval", "0.1", `chaos/${i}`, "{i}"]));
  senders.forEach(({ child }) => child.stdin.end());
  const isOver = () => senders.every(({ code }) => code !== undefined);
  const reloads = (async () => {
    const nginx = Number(fs.readFileSync(path.join(path.dirname(site.socket), "nginx.pid")));
    while (!isOver()) {
      await sleep(6000);
      process.kill(nginx, "SIGHUP");
    }
  })();
  await Promise.all([...windows.map(({ context, tabs }) => disturb(context, tabs, isOver)), reloads]);
  assert.deepEqual(senders.map(({ code }) => code), Array(CHANNELS).fill(0));

  const heard = () => Promise.all(all.map(({ page }) => page.evaluate(() => window.heard)));
  await until(async () => (await heard()).every((list) => list.at(-1) === count), "the last message", 40000);
  const lists = await heard();
  const opens = await Promise.all(all.map(({ page }) => page.evaluate(() => window.opens)));
  assert.deepEqual(lists.map(faults).filter((found) => found.length), []);
  console.log(`${all.length} tabs, ${count} messages each; connections ${Math.min(...opens)} to ${Math.max(...opens)} a tab; ` +
    `resets: ${lists.flat().filter((what) => typeof what === "string").length}`);
  assert.ok(Math.max(...opens) > 2, "some were cut");
});
