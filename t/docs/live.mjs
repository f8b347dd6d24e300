/* Runs the guide's live.js as a page would: it has to hear, to come back after a restart of the worker, and to send. */
import assert from "node:assert";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { WebSocket } = createRequire(process.cwd() + "/")("ws");
const [file] = process.argv.slice(2);
const live = new Function("location", "WebSocket", `${readFileSync(file, "utf8")}; return live;`)(
  { origin: "https://www.example.com" }, WebSocket);

const until = async (condition, what) => {
  for (const end = Date.now() + 10000; !condition(); await new Promise((done) => setTimeout(done, 20)))
    assert(Date.now() < end, `waited in vain for ${what}`);
};
const run = (...command) => execFileSync(command[0], command.slice(1), { encoding: "utf8" });
const isOpen = () => run("wsctl", "list", "--quiet", "chat/room1") !== "";

const heard = [];
const send = live("chat/room1", (text) => heard.push(text));
await until(isOpen, "the first connection");
run("wsctl", "send", "chat/room1", "one");
await until(() => heard.length === 1, "the first message");
run("systemctl", "restart", "wspushd");
await until(isOpen, "the page to come back");
run("wsctl", "send", "chat/room1", "two");
await until(() => heard.length === 2, "the second message");
send("from the page");
assert.equal(run("wsctl", "wait", "--timeout", "5", "chat/room1"), "from the page\n");
run("wsctl", "close", "chat/room1");
await until(() => !isOpen(), "the page to be closed");
await new Promise((done) => setTimeout(done, 1200));
assert(!isOpen(), "after a close with 1000 it came back");
assert.deepEqual(heard, ["one", "two"]);
process.exit(0);
