/*
 * What the Node programs of this folder share: checks, the site's addresses, a browser, a worker of one's own.
 *
 * A check is an async function with a sentence that says what is true when it returns. Every wait is for a condition,
 * with a deadline. run.sh sets WSPUSH_PORT, WSPUSH_SITE (the directory with the sockets), WSPUSH_TMP and WSPUSH_BUILD.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import path from "node:path";
import WebSocket from "ws";

const { WSPUSH_PORT, WSPUSH_SITE, WSPUSH_TMP, WSPUSH_BUILD } = process.env;
export const SITE = `127.0.0.1:${WSPUSH_PORT}`;
export const CONTROL = path.join(WSPUSH_SITE, "control.sock");

const DEADLINE = 30000; // for one check

export function versionOf(name) {
  return `npm ${name} ${createRequire(import.meta.url)(`./node_modules/${name}/package.json`).version}`;
}

const checks = [];
export function check(sentence, body) {
  checks.push({ sentence, body });
}

function firstLineOfOurs(error) {
  const line = (error.stack ?? "").split("\n").find((l) => l.includes("/t/interop/") && !l.includes("node_modules"));
  return line ? path.basename(line.replace(/\)$/, "")) : "?";
}

// Runs the checks in their order, one at a time, says that it came to its end, and ends the process.
export async function main(program) {
  for (const { sentence, body } of checks) {
    let timer;
    const deadline = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not done within ${DEADLINE} ms`)), DEADLINE);
    });
    try {
      await Promise.race([body(), deadline]);
      console.log(`ok    ${program}: ${sentence}`);
    } catch (error) {
      const text = `${error.name}: ${error.message}`.slice(0, 1000).replace(/\n/g, "\n      ");
      console.log(`FAIL  ${program}: ${sentence}\n      ${firstLineOfOurs(error)}: ${text}`);
    }
    clearTimeout(timer);
  }
  console.log("end");
  process.exit(0);
}

export async function until(condition, what, ms = 10000) {
  const deadline = Date.now() + ms;
  for (;;) {
    const result = await condition();
    if (result)
      return result;
    if (Date.now() > deadline)
      throw new Error(`waited ${ms} ms in vain for ${typeof what === "function" ? what() : what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function within(promise, what, ms = 10000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms in vain for ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// An open WebSocket that keeps what it hears: text as strings, binary as Buffers.
export class Browser {
  constructor(address, protocols, options) {
    this.ws = new WebSocket(address, protocols, options);
    this.heard = [];
    this.pings = 0;
    this.pongs = [];
    this.ws.on("message", (data, binary) => this.heard.push(binary ? data : data.toString()));
    this.ws.on("ping", () => this.pings++);
    this.ws.on("pong", (data) => this.pongs.push(data.toString()));
    this.closed = new Promise((resolve) => {
      this.ws.on("close", (code, reason) => resolve([code, reason.toString()]));
    });
    this.opened = new Promise((resolve, reject) => {
      this.ws.on("open", resolve);
      this.ws.on("error", (error) => { this.error = error; reject(error); });
    });
    this.opened.catch(() => {});
  }

  static async open(address, options = {}) {
    const browser = new Browser(address, options.protocols ?? [], options);
    await within(browser.opened, `${address} to open`);
    return browser;
  }

  // The next `count` messages.
  async hear(count) {
    await until(() => this.heard.length >= count, () => `${count} messages (${this.heard.length} came)`);
    return this.heard.splice(0, count);
  }

  async close(...args) {
    this.ws.close(...args);
    return this.end();
  }

  // [code, reason] of the close that comes.
  end() {
    return within(this.closed, "the WebSocket's end");
  }
}

// A page that has the channel open, through nginx.
export async function withBrowser(channel, body) {
  const browser = await Browser.open(`ws://${SITE}/${channel}/`);
  try {
    return await body(browser);
  } finally {
    browser.ws.terminate();
  }
}

// A wspushd of one's own, that may be killed: its control socket is `control`.
export class Worker {
  constructor(name) {
    this.dir = path.join(WSPUSH_TMP, name);
    this.control = path.join(this.dir, "control.sock");
    fs.mkdirSync(this.dir);
    fs.writeFileSync(path.join(this.dir, "wspush.conf"),
      'listen = "unix:ws.sock"\ncontrol = "unix:control.sock"\ndrain_time = 100ms\n');
  }

  async start() {
    const log = fs.openSync(path.join(this.dir, "log"), "a");
    this.child = spawn("setpriv",
      ["--pdeathsig", "KILL", `${WSPUSH_BUILD}/wspushd`, "--config", path.join(this.dir, "wspush.conf")],
      { stdio: ["ignore", log, log] });
    fs.closeSync(log);
    fs.appendFileSync(path.join(WSPUSH_TMP, "pids"), `${this.child.pid}\n`);
    this.ended = new Promise((resolve) => this.child.on("exit", resolve));
    await until(() => this.answers(), `the worker in ${this.dir}`);
  }

  answers() {
    return new Promise((resolve) => {
      const socket = net.connect(this.control, () => socket.write("PING\r\n"));
      socket.on("data", (data) => { socket.destroy(); resolve(data.toString() === "+PONG\r\n"); });
      socket.on("error", () => resolve(false));
      socket.on("close", () => resolve(false));
    });
  }

  async end(how = "SIGTERM") {
    this.child.kill(how);
    await within(this.ended, "the worker's end");
  }
}

export async function withWorker(name, body) {
  const worker = new Worker(name);
  await worker.start();
  try {
    return await body(worker);
  } finally {
    await worker.end("SIGKILL");
  }
}

export { assert };
export const equal = assert.deepEqual;
