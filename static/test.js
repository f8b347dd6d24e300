/*
 * The test page: one WebSocket on the page's own address, and everything that happens on it shown as it happens.
 *
 * The page is served at any channel's URL, so nothing here knows a channel's name but through location. What comes from
 * the network is shown by textContent only. What happens is recorded as plain objects (record) and becomes list items
 * once a frame (showRecords), so that a flood of messages costs neither order nor the page. Nothing is stored.
 */
"use strict";

const STATES = ["CONNECTING", "OPEN", "CLOSING", "CLOSED"];
const SHOWN_ENTRIES = 1000;
const SHOWN_CHARACTERS = 10000;
const SHOWN_BYTES = 64;
const FACTS_INTERVAL_MS = 200;

const CLOSE_CODES = {
  1000: "Normal: whoever closed was done.",
  1001: "Going away: the server stops or restarts, or the page was left. Reconnecting makes sense.",
  1002: "Protocol error: one side sent what is not WebSocket.",
  1003: "Unsupported: this kind of message (text or binary) is not taken here.",
  1005: "The other side closed without giving a code.",
  1006: "Lost or refused: it ended without a closing handshake. A browser says no more than that, not even an HTTP " +
    "status; the network panel of its developer tools and `wsctl refused` may.",
  1007: "Bad data: text that is not UTF-8.",
  1008: "Against the rules of this channel; the reason says which.",
  1009: "Too big: a message over the server's limit.",
  1010: "The server lacks an extension that the client insists on.",
  1011: "The server met an error of its own.",
  1012: "The server restarts. Reconnecting makes sense.",
  1013: "Try again later: the server is overloaded, or this client read too slowly. Reconnecting makes sense.",
  1014: "A gateway got a bad answer from the server behind it.",
  1015: "The TLS handshake failed.",
  4401: "The permission has expired: come back with a fresh token.",
  4501: "Nobody is logged in.",
  4503: "Forbidden: this user may not be on this channel.",
};

function explainClose(code) {
  if (CLOSE_CODES[code])
    return CLOSE_CODES[code];
  if (code >= 3000 && code <= 3999)
    return "A code of a library or framework (3000 to 3999).";
  if (code >= 4000 && code <= 4999)
    return "A code of the application's own (4000 to 4999).";
  return "A code without a common meaning.";
}

const byId = (id) => document.getElementById(id);

const view = byId("view");
const list = byId("log");

let socket = null;
let comesBack = false; // a reconnect waits for the running close to end

// With ?mode=wspush the page uses WSPush in place of WebSocket; test-wspush.js then changes these two.
const usesWSPush = new URLSearchParams(location.search).get("mode") === "wspush";
let makeSocket = () => new WebSocket(ownAddress());
let watchSocket = () => {};

// ---- the channel and its command -------------------------------------------------------------------------------

// The server's own rule for a path, so that the command shown is one that works; null where the path names no channel.
function channelOfPath(path) {
  const raw = path.replace(/^\//, "").replace(/\/$/, "");
  if (/%2f/i.test(raw))
    return null;
  let name;
  try {
    name = decodeURIComponent(raw);
  } catch {
    return null;
  }
  const segmentsAreNames = name.split("/").every((s) => s !== "" && s !== "." && s !== "..");
  const isClean = !/[\u0000-\u0020\u007f-\u009f?#]/.test(name) && !name.startsWith("@");
  return segmentsAreNames && isClean && new TextEncoder().encode(name).length <= 200 ? name : null;
}

function shellWord(text) {
  return /^[A-Za-z0-9_.\/:+,-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\\''") + "'";
}

function showChannel() {
  const channel = channelOfPath(location.pathname);
  if (channel === null) {
    byId("channel").textContent = "this address names no channel";
    byId("command").textContent = "wsctl list";
    return;
  }
  document.title = channel + " · wspush";
  byId("channel").textContent = channel;
  const endOfOptions = channel.startsWith("-") ? "-- " : "";
  byId("command").textContent = `wsctl send ${endOfOptions}${shellWord(channel)} "hello"`;
}

// The clipboard is there on https and localhost only; elsewhere the older way, and at last the selection itself.
async function copyCommand() {
  const command = byId("command");
  let done = "Copied.";
  try {
    await navigator.clipboard.writeText(command.textContent);
  } catch {
    getSelection().selectAllChildren(command);
    if (!document.execCommand("copy"))
      done = "Selected: copy it with the keyboard or the menu.";
  }
  byId("copy-result").textContent = done;
}

// ---- the list --------------------------------------------------------------------------------------------------

let waiting = []; // recorded, not yet in the list
let isShowScheduled = false;
let recorded = 0;
let follows = true; // the end of the list is in sight, and stays so
const counts = { in: 0, out: 0 };

// Takes note of one event: kind is one of KIND_WORDS; parts go to entryItem.
function record(kind, parts) {
  waiting.push({ kind, time: new Date(), parts });
  recorded++;
  if (kind in counts)
    counts[kind]++;
  if (waiting.length > SHOWN_ENTRIES)
    waiting.shift();
  scheduleShow();
}

// A hidden page gets no animation frames, yet its list must go on.
function scheduleShow() {
  if (isShowScheduled)
    return;
  isShowScheduled = true;
  if (document.hidden)
    setTimeout(showRecords, 100);
  else
    requestAnimationFrame(showRecords);
}

function showRecords() {
  isShowScheduled = false;
  const fragment = document.createDocumentFragment();
  for (const entry of waiting)
    fragment.append(entryItem(entry));
  const added = waiting.length;
  waiting = [];
  list.append(fragment);
  while (list.childElementCount > SHOWN_ENTRIES)
    list.firstElementChild.remove();
  showCounts();
  if (follows)
    scrollToEnd();
  else if (added > 0)
    byId("newest").hidden = false;
}

function showCounts() {
  byId("received").textContent = counts.in.toLocaleString();
  byId("sent").textContent = counts.out.toLocaleString();
  const shown = list.childElementCount;
  const gone = (recorded - shown).toLocaleString();
  byId("trimmed").textContent = recorded > shown
    ? `The list keeps the last ${SHOWN_ENTRIES.toLocaleString()} entries; ${gone} older ones are gone.`
    : "";
}

function clearList() {
  waiting = [];
  recorded = counts.in = counts.out = 0;
  list.replaceChildren();
  showCounts();
  scrollToEnd();
}

function scrollToEnd() {
  follows = true;
  view.scrollTop = view.scrollHeight;
  byId("newest").hidden = true;
}

// Items are added and scrolled to in one step, so a scroll that leaves the end is always the reader's.
function onScroll() {
  follows = view.scrollHeight - view.scrollTop - view.clientHeight < 8;
  if (follows)
    byId("newest").hidden = true;
}

function onResize() {
  if (follows)
    scrollToEnd();
}

const KIND_WORDS = {
  in: "received", out: "sent", open: "open", close: "closed", error: "error", note: "note", state: "state", reset: "reset",
};

function entryItem(entry) {
  const item = document.createElement("li");
  item.dataset.kind = entry.kind;
  const time = document.createElement("time");
  time.dateTime = entry.time.toISOString();
  time.textContent = clockTime(entry.time);
  item.append(time, part("span", "kind", KIND_WORDS[entry.kind]));
  const body = part("div", "body");
  for (const [name, value] of Object.entries(entry.parts.data ?? {}))
    item.dataset[name] = value;
  body.append(...entry.parts.nodes);
  item.append(body);
  return item;
}

function part(tag, className, text) {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined)
    node.textContent = text;
  return node;
}

function clockTime(date) {
  const two = (n) => String(n).padStart(2, "0");
  const ms = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}

// ---- what an entry says ----------------------------------------------------------------------------------------

function recordMessage(kind, data, id) {
  const parts = typeof data === "string" ? textParts(data) : binaryParts(new Uint8Array(data));
  if (id) {
    parts.data.id = id;
    parts.nodes.push(part("span", "aside", `id ${id}`));
  }
  record(kind, parts);
}

function textParts(text) {
  const nodes = [];
  if (text === "")
    nodes.push(part("span", "aside", "empty text"));
  else
    nodes.push(messageText(text.slice(0, SHOWN_CHARACTERS)));
  if (text.length > SHOWN_CHARACTERS)
    nodes.push(part("span", "aside", `… the beginning of ${text.length.toLocaleString()} characters`));
  return { data: { type: "text" }, nodes };
}

function binaryParts(bytes) {
  const unit = bytes.length === 1 ? "byte" : "bytes";
  const nodes = [part("span", "aside", `binary, ${bytes.length.toLocaleString()} ${unit}`)];
  const head = bytes.subarray(0, SHOWN_BYTES);
  if (head.length > 0) {
    const more = bytes.length > head.length ? " …" : "";
    nodes.push(part("code", "hex", hex(head) + more), messageText(readable(head) + more));
  }
  return { data: { type: "binary", size: bytes.length }, nodes };
}

// A message may be written from right to left, and must not turn the rest of its line.
function messageText(text) {
  const node = part("span", "text", text);
  node.dir = "auto";
  return node;
}

function hex(bytes) {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join(" ");
}

// As UTF-8 where it is that (a character cut off at the end is left out), else byte by byte; dots for the rest.
function readable(bytes) {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
  } catch {
    text = Array.from(bytes, (b) => (b < 0x80 ? String.fromCharCode(b) : ".")).join("");
  }
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ".");
}

function sentence(text, ...more) {
  const nodes = [part("span", "text", text)];
  for (const line of more)
    nodes.push(part("span", "aside", line));
  return nodes;
}

function recordOpen(opened) {
  const protocol = opened.protocol ? `protocol ${opened.protocol}` : "no protocol";
  const extensions = opened.extensions ? `extensions ${opened.extensions}` : "no extensions";
  record("open", { nodes: sentence(`Connected to ${opened.url}`, `${protocol}, ${extensions}`) });
}

function reasonWords(reason) {
  return reason ? `reason “${reason}”` : "no reason";
}

// The close event has the other side's code and reason, which need not repeat ours.
function recordClosing(code, reason) {
  record("note", { nodes: sentence(`This page closes: ${code ? "code " + code : "no code"}, ${reasonWords(reason)}`) });
}

function recordClose(event) {
  const how = event.wasClean ? "clean" : "not clean";
  record("close", {
    data: { code: event.code, reason: event.reason, clean: event.wasClean },
    nodes: sentence(`Code ${event.code}, ${reasonWords(event.reason)}, ${how}`, explainClose(event.code)),
  });
}

function recordError() {
  const hint = "The browser gives no details to a page; the close that follows has a code.";
  record("error", { nodes: sentence("The connection failed", hint) });
}

function recordRefused(what, error) {
  record("error", { nodes: sentence(`${what}: ${error.message}`) });
}

// ---- the connection --------------------------------------------------------------------------------------------

function ownAddress() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return scheme + "//" + location.host + location.pathname + location.search;
}

function connect() {
  comesBack = false;
  try {
    socket = makeSocket();
  } catch (error) {
    recordRefused("The browser refused to connect", error);
    return;
  }
  // Blobs are read asynchronously and would overtake each other.
  socket.binaryType = "arraybuffer";
  socket.onopen = onOpen;
  socket.onmessage = (event) => recordMessage("in", event.data, event.id);
  socket.onerror = onError;
  socket.onclose = onClose;
  watchSocket(socket);
  showFacts();
}

function onOpen() {
  recordOpen(socket);
  sendMessage('["1","2","3"]');
}

function onError() {
  recordError();
  showFacts();
}

function onClose(event) {
  recordClose(event);
  if (comesBack)
    connect();
  showFacts();
}

// A close that hangs (a dead line) is not waited for twice: the second call leaves that socket to itself.
function reconnect() {
  if (socket && socket.readyState <= WebSocket.OPEN) {
    comesBack = true;
    socket.close(1000, "reconnect");
    showFacts();
    return;
  }
  if (socket)
    socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
  connect();
}

function sendMessage(data) {
  try {
    socket.send(data);
    recordMessage("out", data);
  } catch (error) {
    recordRefused("Not sent", error);
  }
  showFacts();
}

function sendTyped() {
  const field = byId("text");
  if (!socket || socket.readyState !== WebSocket.OPEN) {
    record("note", { nodes: sentence(`Not sent: the connection is ${stateName()}. Reconnect first.`) });
    return;
  }
  sendMessage(byId("as-binary").checked ? new TextEncoder().encode(field.value) : field.value);
  field.value = "";
  scrollToEnd();
}

function closeAsTyped() {
  if (!socket || socket.readyState > WebSocket.OPEN) {
    record("note", { nodes: sentence(`Not closed: the connection is ${stateName()}.`) });
    return;
  }
  const code = byId("close-code").value.trim();
  const reason = byId("close-reason").value;
  try {
    if (code === "" && reason === "")
      socket.close();
    else
      socket.close(Number(code), reason);
    recordClosing(code, reason);
  } catch (error) {
    recordRefused("Not closed", error);
  }
  showFacts();
}

// ---- the facts -------------------------------------------------------------------------------------------------

function stateName() {
  if (!socket)
    return "NONE";
  return socket.readyState === WebSocket.OPEN && socket.state ? socket.state.toUpperCase() : STATES[socket.readyState];
}

// Unchanged text is left alone: a screen reader would read it again, and a selection would be lost.
function setText(node, text) {
  if (node.textContent !== text)
    node.textContent = text;
}

function showFact(name, text) {
  setText(document.querySelector(`[data-fact="${name}"]`), text);
}

function showFacts() {
  const state = byId("state");
  setText(state, socket ? stateName() : "no connection");
  state.dataset.state = stateName();
  if (!socket)
    return;
  showFact("readyState", `${socket.readyState} ${STATES[socket.readyState]}`);
  showFact("url", socket.url);
  showFact("protocol", socket.protocol || "none");
  showFact("extensions", socket.extensions || "none");
  showFact("binaryType", socket.binaryType);
  showFact("bufferedAmount", `${socket.bufferedAmount.toLocaleString()} bytes`);
}

// ---- start -----------------------------------------------------------------------------------------------------

function onSubmit(id, action) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
}

// Enter that ends the composing of a character (Chinese, Japanese, Korean input) is not ours; 229 is Safari's sign.
function sendOnEnter(event) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229)
    return;
  event.preventDefault();
  byId("send-form").requestSubmit();
}

function listen() {
  onSubmit("send-form", sendTyped);
  onSubmit("close-form", closeAsTyped);
  byId("text").addEventListener("keydown", sendOnEnter);
  byId("reconnect").addEventListener("click", reconnect);
  byId("clear").addEventListener("click", clearList);
  byId("newest").addEventListener("click", scrollToEnd);
  view.addEventListener("scroll", onScroll, { passive: true });
  new ResizeObserver(onResize).observe(view);
}

// The other mode is the same address with another query, which can be shared.
function showMode() {
  const other = new URL(location.href);
  if (usesWSPush)
    other.searchParams.delete("mode");
  else
    other.searchParams.set("mode", "wspush");
  const link = document.querySelector(".other-mode");
  link.href = other.href;
  if (!usesWSPush)
    return;
  document.querySelector(".mode").textContent = "This is WSPush: it comes back, and goes on where it was.";
  link.textContent = "Use a plain WebSocket";
}

function load(script) {
  return new Promise((resolve, reject) => {
    const node = document.createElement("script");
    node.src = `/wspush/static/${script}`;
    node.onload = resolve;
    node.onerror = () => reject(new Error(`${node.src} can't be loaded`));
    document.head.append(node);
  });
}

async function startWSPush() {
  try {
    await load("wspush.global.js");
    await load("test-wspush.js");
    connect();
  } catch (error) {
    recordRefused("No WSPush", error);
  }
}

function sayNoWebSocket() {
  byId("no-websocket").classList.add("missing");
  setText(byId("state"), "no WebSocket");
  for (const control of document.querySelectorAll("form button, form input, form textarea, #clear"))
    control.disabled = true;
}

function start() {
  showChannel();
  showMode();
  byId("copy").addEventListener("click", copyCommand);
  if (!("WebSocket" in window)) {
    sayNoWebSocket();
    return;
  }
  listen();
  if (usesWSPush)
    startWSPush();
  else
    connect();
  // bufferedAmount, and the step from OPEN to CLOSING, change without an event.
  setInterval(showFacts, FACTS_INTERVAL_MS);
}

start();
