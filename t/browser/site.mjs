/*
 * The site under test: conf/run.sh on a free port with its sockets in a directory of its own, and wsctl against it.
 * Every wait here is a condition with a deadline. BUILD and TMPDIR come from run.sh.
 */
import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";

export const BUILD = process.env.BUILD ?? "build";

// run.sh ends what is in this list, should we not come to it.
export function remember(pid) {
  fs.appendFileSync(path.join(os.tmpdir(), "pids"), pid + "\n");
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

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on("error", reject).listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// A child whose output is kept as it comes.
function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], ...options });
  const run = { child, out: Buffer.alloc(0), err: "", code: undefined };
  run.ended = new Promise((resolve) => {
    child.on("error", (error) => { run.err += error.message; resolve((run.code = -1)); });
    child.on("close", (code, signal) => resolve((run.code = code ?? signal)));
  });
  child.stdout.on("data", (data) => { run.out = Buffer.concat([run.out, data]); });
  child.stderr.on("data", (data) => { run.err += data; });
  child.stdin.on("error", () => {}); // it may have ended before it read what we write
  return run;
}

export async function startSite() {
  const port = await freePort();
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "run-"));
  const url = `http://127.0.0.1:${port}`;
  const run = start("conf/run.sh", [BUILD, String(port)], {
    detached: true,
    env: { ...process.env, WSPUSH_RUN: dir },
  });
  remember(run.child.pid);
  run.child.stdin.end();
  const output = () => run.out + run.err;
  await until(() => {
    if (run.code !== undefined)
      throw new Error(`conf/run.sh ended with ${run.code}:\n${output()}`);
    return output().includes(`${url}/test/`);
  }, () => `the site's address; conf/run.sh said:\n${output()}`, 20000);
  return new Site(run, url, dir);
}

class Site {
  constructor(run, url, dir) {
    this.run = run;
    this.url = url;
    this.dir = dir;
    this.socket = path.join(dir, "control.sock");
  }

  /** Lines that wspush.conf has from now on, too. */
  async configure(lines) {
    fs.appendFileSync(path.join(this.dir, "wspush.conf"), lines);
    await this.wsctl(["reload"]);
  }

  get output() {
    return this.run.out + this.run.err;
  }

  async stop() {
    if (this.run.code === undefined)
      process.kill(this.run.child.pid, "SIGTERM");
    await until(() => this.run.code !== undefined, "conf/run.sh to stop");
  }

  startWsctl(args) {
    const run = start(path.join(BUILD, "wsctl"), ["--socket", this.socket, ...args]);
    run.text = () => run.out.toString();
    return run;
  }

  // Runs wsctl to its end; throws where it does not exit with 0. Gives what it printed, as bytes.
  async wsctl(args, input) {
    const run = this.startWsctl(args);
    run.child.stdin.end(input);
    try {
      await until(() => run.code !== undefined, `wsctl ${args.join(" ")} to end`);
    } finally {
      run.child.kill();
    }
    if (run.code !== 0)
      throw new Error(`wsctl ${args.join(" ")} ended with ${run.code}: ${run.err}`);
    return run.out;
  }
}
