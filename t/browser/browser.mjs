/*
 * Debian's Chromium, headless, with a fresh profile, and test pages in it. A page that is opened here keeps a list of
 * complaints: what the browser's console, its network or its content security policy had against it.
 */
import { chromium } from "playwright-core";
import { remember } from "./site.mjs";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
];

export async function startBrowser() {
  const server = await chromium.launchServer({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: FLAGS,
  });
  remember(server.process().pid);
  const browser = await chromium.connect(server.wsEndpoint());
  return { browser, stop: () => server.close() };
}

export async function openPage(browser, url, { init, viewport = { width: 1280, height: 800 } } = {}) {
  const context = await browser.newContext({ viewport, deviceScaleFactor: 2, reducedMotion: "reduce" });
  context.setDefaultTimeout(10000);
  const page = await context.newPage();
  page.complaints = [];
  collectComplaints(page);
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) =>
      console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
  });
  if (init)
    await page.addInitScript(init);
  await page.goto(url);
  return page;
}

function collectComplaints(page) {
  const complain = (text) => page.complaints.push(text);
  page.on("pageerror", (error) => complain(`error: ${error.message}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()))
      complain(`console: ${message.text()}`);
  });
  page.on("requestfailed", (request) => complain(`failed: ${request.url()}`));
  page.on("response", (response) => {
    if (response.status() >= 400)
      complain(`${response.status()}: ${response.url()}`);
  });
}

export async function waitForState(page, state) {
  await page.locator(`#state[data-state="${state}"]`).waitFor();
}

export async function openConnected(browser, url, options) {
  const page = await openPage(browser, url, options);
  await waitForState(page, "OPEN");
  return page;
}

// The list as data: { kind, at, text, type, size, code, reason, clean }, with the first line of each entry as text.
export function entries(page, kind) {
  const which = kind ? `#log li[data-kind="${kind}"]` : "#log li";
  return page.locator(which).evaluateAll((items) => items.map((item) => ({
    ...item.dataset,
    at: Date.parse(item.querySelector("time").dateTime),
    text: item.querySelector(".text")?.textContent ?? "",
    hex: item.querySelector(".hex")?.textContent,
  })));
}

// The n-th entry of its kind, counted from 0, once it is there.
export async function entry(page, kind, n = 0) {
  await page.locator(`#log li[data-kind="${kind}"]`).nth(n).waitFor();
  return (await entries(page, kind))[n];
}

export async function type(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}
