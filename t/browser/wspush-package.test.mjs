/*
 * What is shipped: the two files that are served come from the source and are under 4 KB gzipped, the types hold, and the npm
 * package can be packed, installed and used in each way that it says.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { before, test } from "node:test";

const root = path.resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../..");
const here = path.join(root, "t/browser");
const SERVED = ["wspush.js", "wspush.global.js"];
const tmp = fs.mkdtempSync(path.join(os.tmpdir(), "package-"));
const user = path.join(tmp, "user");

const run = (command, args, cwd = root) => execFileSync(command, args, { cwd, encoding: "utf8", timeout: 60000 });

before(() => {
  fs.mkdirSync(user);
  fs.writeFileSync(path.join(user, "package.json"), '{"private":true,"type":"module"}');
  const [{ filename }] = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", tmp], path.join(root, "static")));
  run("npm", ["install", "--offline", "--no-audit", "--no-fund", path.join(tmp, filename)], user);
});

test("what is served is made of the source that lies here (make static)", () => {
  run("conf/wspush-js.sh", [tmp]);
  for (const name of SERVED)
    assert.equal(fs.readFileSync(path.join(root, "static", name), "utf8"), fs.readFileSync(path.join(tmp, name), "utf8"), name);
});

test("under 4 KB, as gzip -9 has it", () => {
  for (const name of SERVED) {
    const size = execFileSync("gzip", ["-9", "-n", "-c", name], { cwd: path.join(root, "static") }).length;
    assert.ok(size < 4096, `${name}: ${size} bytes`);
  }
});

test("the package has its version from VERSION, no dependency, and four files", () => {
  const said = JSON.parse(fs.readFileSync(path.join(user, "node_modules/wspush/package.json")));
  assert.equal(said.version, fs.readFileSync(path.join(root, "VERSION"), "utf8").trim());
  assert.deepEqual(said.dependencies ?? {}, {});
  assert.deepEqual(fs.readdirSync(path.join(user, "node_modules/wspush")).sort(),
    ["package.json", "wspush.d.ts", "wspush.global.js", "wspush.js", "wspush.src.js"]);
});

// A server that echoes, and WSPush on it: no browser far and near but for npm's WebSocket.
const SCRIPT = (load) => `
import { WebSocket, WebSocketServer } from ${JSON.stringify(path.join(here, "node_modules/ws/wrapper.mjs"))};
${load}
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => false }, () => {
  globalThis.WebSocket = WebSocket;
  const ws = new WSPush("ws://127.0.0.1:" + server.address().port + "/x");
  ws.onopen = () => ws.send("there and back");
  ws.onmessage = async ({ data }) => { console.log(await data.text?.() ?? data); ws.close(); };
  ws.onclose = () => { server.close(); console.log("closed", WSPush.CLOSED === ws.readyState); process.exit(); };
});
server.on("connection", (socket) => socket.on("message", (data) => socket.send(String(data))));
`;

for (const [how, load] of Object.entries({
  "import": 'import { WSPush } from "wspush";',
  "a plain script": 'import fs from "node:fs"; import vm from "node:vm"; ' +
    'vm.runInThisContext(fs.readFileSync("node_modules/wspush/wspush.global.js", "utf8"));',
  "wspush/global": 'import "wspush/global";',
}))
  test(`installed and used by ${how}`, () => {
    fs.writeFileSync(path.join(user, "use.mjs"), SCRIPT(load));
    assert.equal(run("node", ["use.mjs"], user), "there and back\nclosed true\n");
  });

test("a plain script leaves one name behind", () => {
  const names = 'const before = new Set(Object.getOwnPropertyNames(globalThis)); import("node:vm").then(({ default: vm }) => {' +
    'vm.runInThisContext(require("fs").readFileSync("node_modules/wspush/wspush.global.js", "utf8"));' +
    'console.log(Object.getOwnPropertyNames(globalThis).filter((name) => !before.has(name)).join(), ' +
    'vm.runInThisContext("typeof RETRY"))})';
  assert.equal(run("node", ["--input-type=commonjs", "-e", names], user), "WSPush undefined\n");
});

test("the types, as tsc --strict sees them", () => {
  fs.copyFileSync(path.join(here, "wspush-types.ts"), path.join(user, "page.ts"));
  const tsc = path.join(here, "node_modules/typescript/bin/tsc");
  const options = ["--strict", "--noEmit", "--target", "es2022", "--lib", "es2023,dom", "page.ts"];
  for (const module of [["--module", "nodenext"], ["--module", "esnext", "--moduleResolution", "bundler"]])
    assert.equal(run("node", [tsc, ...options, ...module], user), "");
});
