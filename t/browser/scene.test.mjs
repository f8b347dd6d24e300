/*
 * The scene of this system's origin, whole: a page opens /test/ and sends ["1","2","3"]; the operator sees it at a
 * prompt and answers that page; the server pushes ten messages, half a second apart; the server closes.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, test } from "node:test";
import { entries, entry, openConnected, startBrowser, waitForState } from "./browser.mjs";
import { BUILD, startSite, until } from "./site.mjs";

const PROMPT = "Please enter information: ";

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

async function takePictures(page, name) {
  const dir = `${BUILD}/browser`;
  fs.mkdirSync(dir, { recursive: true });
  await page.mouse.move(0, 0);
  const sizes = { desktop: { width: 1280, height: 800 }, phone: { width: 360, height: 740 } };
  for (const [size, viewport] of Object.entries(sizes)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${dir}/${name}-${size}-${colorScheme}.png`, fullPage: size === "phone" });
    }
  }
  await page.setViewportSize(sizes.desktop);
}

test("the whole scene at /test/", async () => {
  const page = await openConnected(chromium.browser, `${site.url}/test/`);
  const sent = await entry(page, "out");
  assert.equal(sent.text, '["1","2","3"]');

  // The operator's prompt, on a pipe: what the page sent, then the prompt, then an answer for that page.
  const prompt = site.startWsctl(["console", "test"]);
  const prompted = (text) => until(() => prompt.text().includes(text) && prompt.text().endsWith(PROMPT),
    () => `${text} and a prompt; wsctl console said:\n${prompt.text()}${prompt.err}`);
  await prompted('["1","2","3"]');
  prompt.child.stdin.write("what the operator typed\n");
  assert.equal((await entry(page, "in")).text, "what the operator typed");

  // The page speaks again; an operator who leaves at the prompt (Ctrl-D) ends the console and nothing else.
  await page.fill("#text", "and another thing");
  await page.click("#send");
  await prompted("and another thing");
  prompt.child.stdin.write("a second answer\n");
  assert.equal((await entry(page, "in", 1)).text, "a second answer");
  await page.fill("#text", "bye");
  await page.click("#send");
  await prompted("bye");
  prompt.child.stdin.end();
  await until(() => prompt.code !== undefined, "wsctl console to end with its input");
  assert.equal(prompt.code, 0, prompt.err);

  // Ten messages, each in the page while the sender is still at the later ones.
  const sender = site.startWsctl(["send", "--count", "10", "--interval", "0.5", "test", "service message: {i}"]);
  sender.child.stdin.end();
  for (let i = 1; i <= 8; i++) {
    assert.equal((await entry(page, "in", i + 1)).text, `service message: ${i}`);
    assert.equal(sender.code, undefined, "the sender had ended before its messages were seen");
  }
  await until(() => sender.code !== undefined, "wsctl send to end");
  assert.equal(sender.code, 0, sender.err);
  await entry(page, "in", 11);
  const service = (await entries(page, "in")).slice(2);
  assert.deepEqual(service.map((e) => e.text), Array.from({ length: 10 }, (_, i) => `service message: ${i + 1}`));
  const took = service[9].at - service[0].at;
  assert.ok(took >= 4000, `nine intervals of 0.5 s took ${took} ms`);
  assert.equal(await page.textContent("#received"), "12");
  await takePictures(page, "open");

  await site.wsctl(["close", "test"]);
  await waitForState(page, "CLOSED");
  const closed = await entry(page, "close");
  assert.equal(closed.code, "1000");
  assert.equal(closed.clean, "true");
  assert.match(await page.textContent('[data-fact="readyState"]'), /^3 CLOSED$/);
  await takePictures(page, "closed");
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});
