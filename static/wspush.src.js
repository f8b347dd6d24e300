/*
 * WSPush, a WebSocket that comes back. docs/CLIENT.md, section wspush.js, says what a page may expect of it, and
 * wspush.d.ts has the types.
 *
 * It has one line at a time: a WebSocket that speaks wspush.v1, one that does not (plain), or an event stream. `#line` is
 * that line; what is heard of an older one is dropped (#listen). There is one timer, for what the present state waits
 * for: the line to open, the next try, something to be heard, a pong; and one for the next probe (#probe).
 *
 * Served are wspush.js and wspush.global.js, which conf/wspush-js.sh makes of this file: without comments and indentation,
 * with short private names, and with the numbers in place of their names.
 */
const PROTOCOL = "wspush.v1";
const SOCKET_TRIES = 3;
const WINDOW = 50; // messages under way at most

// Milliseconds.
const CONNECT = 15000; // for a line to come up
const RETRY = 1000, MAX_RETRY = 30000; // the longest first delay, and any's
const IDLE = 25000, ANSWER = 10000, SOON = 3000; // silence before a ping; its answer, and where there is reason to doubt
const SILENCE = 60000; // of an event stream, whose beats come oftener
const PROBE = 15000, MAX_PROBE = 300000; // until wspush.v1 is tried beside another line
const POST_ANSWER = 60000;

const FINAL = /^(100[023789]|1010|[34][5-9]..)$/;

export class WSPush extends EventTarget {
  readyState = 0;
  protocol = "";
  extensions = "";
  binaryType = "blob";

  #options;
  #token;
  #page = new AbortController();
  #line;
  #timer;
  #probing;
  #tries = 0;
  #failures = 0;
  #isProven = false;
  #bye;
  #own = {};
  #name;
  #channels = new Map();
  #queue = [];
  #isBusy = false;
  #size = 0;
  #sent = [];
  #asked = 0;
  #left = [];
  #pings = 0;

  constructor(url, options = {}) {
    super();
    try {
      const address = new URL(url, globalThis.document?.baseURI ?? globalThis.location);
      address.hash = "";
      this.#rename(decodeURIComponent(address.pathname).replace(/^\/|\/$/g, ""));
      this.url = address.href.replace(/^http/, "ws");
    } catch {}
    if (!/^wss?:/.test(this.url))
      throw new DOMException(`no address: ${url}`, "SyntaxError");
    // A string or a list has concat.
    const { protocols = [], transports = ["websocket", "sse"], queue = 4 << 20, getToken, since } =
      options.concat ? { protocols: options } : options;
    this.#options = { protocols, transports, queue, getToken, since };
    this.#own.id = since;
    for (const type of ["open", "message", "error", "close", "state", "reset", "presence", "join", "leave"]) {
      this[`on${type}`] = null;
      this.addEventListener(type, (event) => this[`on${type}`]?.(event));
    }
    for (const type of ["online", "offline", "visibilitychange", "pagehide", "pageshow"])
      globalThis.addEventListener?.(type, () => this.#onPage(type), { signal: this.#page.signal });
    this.#connect();
  }

  get bufferedAmount() {
    return this.#size + (this.#line?.bufferedAmount ?? 0);
  }

  send(data, ch) {
    if (data?.byteLength >= 0)
      data = new Uint8Array(data.buffer ?? data, data.byteOffset, data.byteLength).slice();
    else if (!(data instanceof Blob))
      data = `${data}`.replace(/\p{Cs}/gu, "\ufffd");
    const { size } = new Blob([data]);
    if (this.readyState < 2) {
      if (this.#size && this.#size + size > this.#options.queue)
        throw new DOMException("queue is full", "QuotaExceededError");
      this.#queue.push({ data, ch, size });
    }
    this.#size += size;
    this.#flush();
  }

  close(code, reason = "") {
    const isLong = new Blob([reason]).size > 123;
    if (isLong || (code ?? 1000) !== 1000 && !(code >= 3000 && code < 5000))
      throw new DOMException("code or reason", isLong ? "SyntaxError" : "InvalidAccessError");
    if (this.readyState > 1)
      return;
    this.readyState = 2;
    this.#bye = { code: code ?? 1005, reason, wasClean: true };
    this.#flush();
  }

  subscribe(channel, since) {
    channel = `${channel}`;
    if (this.#channels.has(channel))
      return;
    this.#channels.set(channel, { id: since });
    this.#subscribe([channel]);
  }

  unsubscribe(channel) {
    channel = `${channel}`;
    if (channel !== this.#name && this.#channels.delete(channel) && this.#say({ unsub: [channel] }))
      this.#left.push(channel);
  }

  // ---- the line: a socket or a stream ----

  get #isV1() {
    return this.state === "open" && this.protocol === PROTOCOL;
  }

  async #connect() {
    this.#drop();
    const turn = this.#line = {};
    const takes = (transport, Line) => Line && this.#options.transports.includes(transport);
    const isStream = takes("sse", globalThis.EventSource) &&
      !(takes("websocket", globalThis.WebSocket) && this.#failures < SOCKET_TRIES);
    this.transport = isStream ? "sse" : "websocket";
    this.#after(CONNECT, () => this.#lost());
    this.#change("connecting");
    try {
      this.#token ||= await this.#options.getToken?.();
      if (turn === this.#line)
        isStream ? this.#openStream() : this.#openSocket();
    } catch (error) {
      // Whoever called the constructor listens by then.
      await null;
      if (turn !== this.#line)
        return;
      this.#emit("error", { code: "connect", text: `${error}` });
      this.#lost();
    }
  }

  // Of two positions the server takes the first, so ours goes before one that the page's own address names.
  #address(scheme, since) {
    const address = new URL(this.url.replace("ws", scheme));
    const own = address.search.slice(1) || [];
    address.search = Object.entries({ since, token: this.#token })
      .flatMap(([name, value]) => value ? `${name}=${encodeURIComponent(value)}` : []).concat(own).join("&");
    return address;
  }

  #listen(line, type, act) {
    line.addEventListener(type, (event) => line === this.#line && act(event));
  }

  // A browser gives up a connection whose server takes none of the offered protocols. So the last try before a stream offers
  // no wspush.v1, unless this server is known to speak it.
  #openSocket() {
    const ours = ++this.#failures < SOCKET_TRIES || this.#isProven ? [PROTOCOL] : [];
    const offers = new Set(ours.concat(this.#options.protocols));
    const line = this.#line = new WebSocket(this.#address("ws", this.#own.id), [...offers]);
    line.binaryType = "arraybuffer";
    line.onerror = () => {};
    this.#listen(line, "open", () => {
      this.protocol = line.protocol;
      this.extensions = line.extensions;
      this.#failures = 0;
      if (line.protocol === PROTOCOL)
        return;
      this.#failures = SOCKET_TRIES - 1;
      this.#own.id = null;
      this.#opened();
      this.#probe(line);
    });
    this.#listen(line, "message", ({ data }) => {
      this.#heard();
      line.protocol === PROTOCOL ? this.#hear(JSON.parse(data)) : this.#onMessage({ data });
    });
    this.#listen(line, "close", (event) => this.#onClose(event));
  }

  // A stream's id stays until the next one: a message that brings no new one was not sent to the channel.
  #openStream() {
    const line = this.#line = new EventSource(this.#address("http", this.#own.id));
    let last = "";
    const listen = (type, act) => this.#listen(line, type, ({ data, lastEventId: id }) => {
      this.#heard();
      act(data, id && id !== last ? id : null);
      if (id)
        this.#own.id = last = id;
    });
    this.#failures = 1;
    this.#listen(line, "open", () => {
      this.protocol = this.extensions = "";
      this.#own.on = true;
      this.#opened();
      this.#probe(line);
    });
    this.#listen(line, "error", () => this.#lost());
    listen("message", (data, id) => this.#onMessage({ ch: id && this.#name, id, data }));
    listen("binary", (b64, id) => this.#onMessage({ ch: id && this.#name, id, b64 }));
    for (const type of ["hello", "reset", "presence", "join", "leave", "beat", "close"])
      listen(type, (data) => data && this.#hear({ [type]: JSON.parse(data) }));
  }

  #probe(line, wait = PROBE) {
    if (line !== this.#line || !this.#options.transports.includes("websocket"))
      return;
    this.#probing = setTimeout(() => {
      const socket = new WebSocket(this.#address("ws"), PROTOCOL);
      socket.onopen = () => {
        socket.close();
        if (line === this.#line) {
          this.#failures = 0;
          this.#connect();
        }
      };
      socket.onclose = () => this.#probe(line, Math.min(wait * 2, MAX_PROBE));
    }, wait);
  }

  #opened() {
    const isFirst = !this.readyState;
    this.readyState = 1;
    this.#tries = 0;
    this.state = "open";
    this.#subscribe([...this.#channels.keys()].filter((name) => name !== this.#name));
    this.#change("open");
    this.#heard();
    if (isFirst)
      this.#emit("open");
    if (!this.#own.id && (!isFirst || this.#options.since))
      this.#unknown(this.#name);
    this.#flush();
  }

  #onClose(event) {
    if (event.code === 4401)
      this.#token = null;
    if (this.#bye || FINAL.test(event.code))
      this.#end(event);
    else
      this.#lost(event);
  }

  #lost({ code = 1006, reason = "" } = {}) {
    if (this.#bye)
      return this.#end({ code, reason, wasClean: false });
    const isOff = globalThis.navigator?.onLine === false;
    const delay = Math.random() * (isOff ? MAX_RETRY : Math.min(MAX_RETRY, RETRY * 2 ** this.#tries++));
    const unsure = this.#drop();
    if (this.state === "connecting")
      this.#token = null;
    this.#failures -= isOff;
    this.#after(delay, () => this.#connect());
    this.#change(isOff ? "offline" : "waiting", { code, reason, delay });
    this.#report("unsure", unsure);
  }

  #drop() {
    const sent = this.#sent;
    this.#line?.close?.();
    this.#line = null;
    clearTimeout(this.#probing);
    this.#sent = [];
    this.#asked = 0;
    this.#left = [];
    this.#after();
    for (const at of this.#channels.values())
      at.on = false;
    return sent;
  }

  #end({ code, reason, wasClean }) {
    if (this.readyState > 2)
      return;
    const unsure = this.#drop();
    this.#page.abort();
    this.readyState = 3;
    this.#change("closed", { code, reason });
    this.#report("unsure", unsure);
    this.#report("unsent", this.#queue);
    this.#emit("close", { code, reason, wasClean }, globalThis.CloseEvent);
  }

  #after(ms, act) {
    clearTimeout(this.#timer);
    this.#timer = act && setTimeout(act, ms);
  }

  #heard() {
    if (this.transport === "sse")
      this.#after(SILENCE, () => this.#lost());
    else
      this.#after(IDLE, this.#isV1 && (() => this.#ping()));
  }

  // A slow line (16 KB/s) has time for what goes before the ping.
  #ping(wait = ANSWER) {
    this.#asked = this.#sent.length;
    this.#say({ ping: ++this.#pings });
    for (const { size } of this.#sent)
      wait += size / 16;
    this.#after(wait, () => this.#lost());
  }

  // A page with an open line is not kept for the way back (bfcache), so the line is left before.
  #onPage(type) {
    if (this.readyState > 1 || type === "visibilitychange" && document.hidden)
      return;
    if (type === "pagehide") {
      this.#lost();
      this.#after();
    } else if (this.#isV1) {
      this.#ping(SOON);
    } else if (this.state === "open" ? type === "online" && this.transport === "sse"
      : this.state !== "connecting" && type !== "offline") {
      this.#connect();
    }
  }

  // ---- what the server says ----

  #hear(said) {
    for (const type in said)
      /^(presence|join|leave)$/.test(type) ? this.#emit(type, said[type]) : this.#says[type]?.(said[type]);
    if ("data" in said || "b64" in said)
      this.#onMessage(said);
  }

  #says = {
    hello: ({ client, user, channels }) => {
      this.client = client;
      this.user = user;
      this.#rename(channels[0]);
      this.#isProven = true;
      if (this.transport === "websocket") {
        this.#failures = -5;
        this.#opened();
      }
    },
    sub: ({ ch, id, from = id }) => {
      const at = this.#channels.get(ch);
      if (!at || this.#left.includes(ch))
        return;
      at.on = true;
      at.id ??= from;
    },
    unsub: ({ ch }) => {
      const i = this.#left.indexOf(ch);
      if (i >= 0)
        this.#left.splice(i, 1);
      else if (this.#channels.delete(ch))
        this.#emit("error", { code: "unsub", ch });
    },
    pong: (number) => {
      if (number === this.#pings) {
        this.#sent.splice(0, this.#asked);
        this.#asked = 0;
        this.#flush();
      }
    },
    error: (body) => {
      if (body.code === "unknown")
        return this.#says.unsub(body);
      const { ch, code } = body;
      this.#name ?? this.#rename(ch);
      const at = this.#channels.get(ch);
      this.#emit("error", body);
      if (!at || at.on || code === "inbound")
        return;
      if (code === "position") {
        this.#unknown(ch);
        this.#subscribe([ch]);
      } else
        this.#channels.delete(ch);
    },
    reset: (body) => {
      this.#emit("reset", body);
      (this.#channels.get(body.ch) ?? {}).id = body.id;
    },
    close: (event) => this.#onClose({ wasClean: true, ...event }),
  };

  #unknown(ch) {
    this.#says.reset({ ch, why: "unknown", id: null });
  }

  #rename(name) {
    this.#channels.delete(this.#name);
    this.#name = name;
    this.#channels.set(name, this.#own);
  }

  // The position moves when the handlers have run, and an answer says just that.
  #onMessage({ ch = null, id = null, data, b64, ack }) {
    const at = this.#channels.get(ch);
    if (this.readyState > 1 || (ch && !at?.on))
      return;
    if (!id || id !== at?.last) {
      data ??= Uint8Array.from(atob(b64), (c) => c.charCodeAt()).buffer;
      if (typeof data !== "string" && this.binaryType === "blob")
        data = new Blob([data]);
      this.#emit("message", { data, origin: new URL(this.url).origin, lastEventId: id ?? "", ch, id }, MessageEvent);
      if (id && at)
        at.id = at.last = id;
    }
    if (ack)
      this.#say({ ack });
  }

  // ---- what the page says ----

  #say(what) {
    return this.#isV1 && !this.#line.send(JSON.stringify(what));
  }

  #subscribe(names) {
    const since = names.map((name) => [name, this.#channels.get(name).id || undefined]);
    if (names.length)
      this.#say({ sub: names, since: Object.fromEntries(since) });
  }

  // One after the other, so that nothing overtakes a Blob that is read or a POST. At most WINDOW messages are under way: a pong
  // says that the server has read what came before its ping, and a server that takes its time is not run over.
  async #flush() {
    while (!this.#isBusy && this.state === "open" && this.#queue.length && this.#sent.length < WINDOW) {
      const later = this.#pass(this.#queue[0]);
      this.#isBusy = true;
      if (later)
        await later;
      this.#isBusy = false;
    }
    if (this.#sent.length && !this.#asked)
      this.#ping();
    if (this.#bye && !this.#isBusy)
      this.#leave(this.#bye);
  }

  #pass(item) {
    const { data, ch } = item, isText = typeof data === "string";
    if (data instanceof Blob)
      return data.arrayBuffer().then((bytes) => { item.data = new Uint8Array(bytes); },
        () => this.#report("unsent", [this.#next()]));
    this.#next();
    if (this.#isV1) {
      this.#sent.push(item);
      const body = isText ? { data } : { b64: btoa(data.reduce((text, byte) => text + String.fromCharCode(byte), "")) };
      this.#say({ ch, ...body });
    } else if (ch) {
      this.#report("unsent", [item]);
    } else if (this.transport === "websocket") {
      this.#line.send(data);
    } else {
      return this.#post(data, isText ? data : new Blob([data], { type: "application/octet-stream" }));
    }
  }

  #next() {
    const item = this.#queue.shift();
    this.#size -= item.size;
    return item;
  }

  async #post(data, body) {
    const text = await fetch(this.#address("http"), { method: "POST", body, signal: AbortSignal.timeout?.(POST_ANSWER) })
      .then(async (got) => got.ok ? "" : `${got.status} ${await got.text()}`).catch(String);
    if (text)
      this.#emit("error", { code: "post", text, data });
  }

  #leave({ code, reason }) {
    if (this.state !== "open" || this.transport === "sse") {
      this.#drop();
      this.#after(0, () => this.#end(this.#bye));
    } else if (!this.#queue.length)
      this.#line.close(...(code === 1005 ? [] : [code, reason]));
  }

  #report(code, items) {
    for (const { data, ch } of items)
      this.#emit("error", { code, data, ch });
  }

  #change(state, details) {
    this.state = state;
    this.#emit("state", { state, transport: this.transport, protocol: this.protocol, ...details });
  }

  #emit(type, { ch, ...details } = {}, Kind = Event) {
    const event = new Kind(type, details);
    details.channel = ch;
    for (const name in details)
      if (!(name in event))
        event[name] = details[name];
    this.dispatchEvent(event);
  }
}

["CONNECTING", "OPEN", "CLOSING", "CLOSED"].forEach((name, i) => WSPush[name] = WSPush.prototype[name] = i);
