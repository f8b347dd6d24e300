/*
 * What a browser gives WSPush, made by hand: a WebSocket and an EventSource that do what the test says, timers that stand
 * still until the test lets time go on, and the window's events. Nothing here touches a network.
 */
import { getEventListeners } from "node:events";
import { mock } from "node:test";

// Timers that stand still; those of the world come back with realWorld().
class Clock {
  real = { setTimeout, clearTimeout };
  now = 0;
  last = 0;
  waiting = new Map();

  start() {
    globalThis.setTimeout = (act, ms) => {
      this.waiting.set(++this.last, { at: this.now + ms, act });
      return this.last;
    };
    globalThis.clearTimeout = (timer) => this.waiting.delete(timer);
  }

  stop() {
    Object.assign(globalThis, this.real);
  }

  // Runs what is due within ms, in the order of time, and what that sets up in turn, promises among it.
  async pass(ms) {
    const end = this.now + ms;
    for (;;) {
      const [next] = [...this.waiting].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (!next)
        break;
      this.waiting.delete(next[0]);
      this.now = next[1].at;
      next[1].act();
      await settle();
    }
    this.now = end;
  }
}

let clock;

class FakeLine extends EventTarget {
  static made = [];

  constructor(url) {
    super();
    this.url = String(url);
    this.readyState = 0;
    this.constructor.made.push(this);
  }

  fire(type, details = {}) {
    this.dispatchEvent(Object.assign(new Event(type), details));
  }
}

export class FakeSocket extends FakeLine {
  static made = [];
  protocol = "";
  extensions = "";
  bufferedAmount = 0;
  sent = [];

  constructor(url, protocols) {
    super(url);
    this.protocols = [].concat(protocols);
  }

  send(data) {
    if (this.readyState === 0)
      throw new DOMException("still connecting", "InvalidStateError");
    if (this.readyState === 1)
      this.sent.push(typeof data === "string" && data[0] === "{" ? JSON.parse(data) : data);
  }

  close(...args) {
    this.readyState = 2;
    this.closed = args;
  }

  // What the server does.
  accept(protocol = "wspush.v1") {
    this.readyState = 1;
    this.protocol = protocol;
    this.fire("open");
  }

  say(what) {
    const isRaw = typeof what === "string" || what instanceof ArrayBuffer;
    this.dispatchEvent(new MessageEvent("message", { data: isRaw ? what : JSON.stringify(what) }));
  }

  hello(id = "1-0", channel = "chat") {
    this.accept();
    this.say({ hello: { client: "c1", user: null, channels: [channel] } });
    this.say({ sub: { ch: channel, id } });
  }

  cut(code = 1006, reason = "") {
    this.readyState = 3;
    this.fire("close", { code, reason, wasClean: code !== 1006 });
  }

  // What the page said but for pings.
  get requests() {
    return this.sent.filter((what) => !what.ping);
  }

  pong() {
    this.say({ pong: this.sent.findLast((what) => what.ping).ping });
  }
}

export class FakeStream extends FakeLine {
  static made = [];

  close() {
    this.readyState = 2;
  }

  accept() {
    this.readyState = 1;
    this.fire("open");
  }

  // The standard's rule: an id stays until the next one.
  say(type, data, id) {
    this.id = id ?? this.id ?? "";
    this.dispatchEvent(new MessageEvent(type, { data, lastEventId: this.id }));
  }

  cut(isRefused = false) {
    this.readyState = isRefused ? 2 : 0;
    this.fire("error");
  }
}

let bus; // the window's events
let random;

export const line = () => FakeSocket.made.at(-1);
export const stream = () => FakeStream.made.at(-1);

// Sets all of it up. `random` is what Math.random gives: 0.5, or what the test says.
export function fakeBrowser() {
  FakeSocket.made = [];
  FakeStream.made = [];
  bus = new EventTarget();
  random = () => 0.5;
  clock = new Clock();
  clock.start();
  mock.method(Math, "random", () => random());
  Object.assign(globalThis, {
    WebSocket: FakeSocket,
    EventSource: FakeStream,
    document: { hidden: false, baseURI: "https://www.example.com/room/" },
    addEventListener: (...args) => bus.addEventListener(...args),
  });
  Object.defineProperty(globalThis, "navigator", { value: { onLine: true }, configurable: true, writable: true });
}

export function realWorld() {
  clock.stop();
  mock.restoreAll();
}

export function setRandom(f) {
  random = f;
}

export function fireWindow(type, { onLine = globalThis.navigator.onLine, hidden = false } = {}) {
  globalThis.navigator.onLine = onLine;
  globalThis.document.hidden = hidden;
  bus.dispatchEvent(new Event(type));
}

// How many wait.
export function timers() {
  return clock.waiting.size;
}

// How many listen to the window.
export function watchers() {
  return ["online", "offline", "visibilitychange", "pagehide", "pageshow"]
    .reduce((sum, type) => sum + getEventListeners(bus, type).length, 0);
}

// Everything that is ready to run runs; no time passes.
export function settle() {
  return new Promise((resolve) => setImmediate(resolve));
}

export async function pass(ms) {
  await clock.pass(ms);
  await settle();
}

// All events of a WSPush, in order, as [type, what is in it].
export function listenTo(ws) {
  const log = [];
  const note = (type, ...names) =>
    ws.addEventListener(type, (event) => log.push([type, ...names.map((name) => event[name])]));
  note("open");
  note("message", "channel", "id", "data");
  note("error", "code", "channel", "data");
  note("close", "code", "reason", "wasClean");
  note("state", "state", "transport");
  note("reset", "channel", "why", "id");
  note("presence", "channel", "users");
  note("join", "channel", "user");
  note("leave", "channel", "user");
  const of = (...types) => log.filter(([type]) => types.includes(type))
    .map((entry) => types.length > 1 ? entry : entry.slice(1));
  return Object.defineProperty(log, "of", { value: of });
}
