/*
 * The test page with WSPush (?mode=wspush): what WSPush has and a WebSocket has not. test.js loads this file in that mode
 * only, after wspush.global.js.
 */
"use strict";

let nativeLine = null; // the WebSocket or EventSource that WSPush uses at the moment
const users = new Map(); // who is here: user to number of clients, null where it is not known
let crowd = 0; // how many are here, where they are too many to be listed

// WSPush hides its line, as it should; this page wants to cut it.
for (const name of ["WebSocket", "EventSource"])
  window[name] = class extends window[name] {
    constructor(...args) {
      super(...args);
      nativeLine = this;
    }
  };

makeSocket = () => new WSPush(location.href);

watchSocket = (ws) => {
  ws.onerror = (event) => record("error", { data: { code: event.code }, nodes: sentence(errorWords(event), event.text ?? "") });
  ws.onstate = onState;
  ws.onreset = (event) => record("reset", {
    data: { why: event.why },
    nodes: sentence(`Messages are missing before what comes next (${event.why})`, event.id ? `it goes on from ${event.id}` : ""),
  });
  ws.onpresence = onPresence;
  ws.onjoin = (event) => onCame(event.user);
  ws.onleave = (event) => onLeft(event.user);
};

function errorWords({ code, channel, data }) {
  const what = typeof data === "string" ? ` “${data.slice(0, 80)}”` : "";
  const where = channel ? ` (${channel})` : "";
  if (code === "unsure")
    return `Lost on the way, or not; nobody knows:${what}`;
  return `${code}${where}${what}`;
}

const STATE_WORDS = {
  connecting: ({ transport }) => `Connecting by ${transport}`,
  open: ({ transport, protocol }) => `Open by ${transport}, ${protocol || "plain"}`,
  waiting: ({ code, reason, delay }) =>
    `Lost (code ${code}, ${reasonWords(reason)}); the next try is in ${(delay / 1000).toFixed(1)} s`,
  offline: () => "The browser is offline",
  closed: () => "Closed for good",
};

function onState(event) {
  record("state", { data: { state: event.state, transport: event.transport }, nodes: sentence(STATE_WORDS[event.state](event)) });
  if (event.state !== "open") {
    users.clear();
    crowd = 0;
  }
  showUsers();
  showFacts();
  showMoreFacts();
}

// ---- who is here -----------------------------------------------------------------------------------------------

function onPresence(event) {
  users.clear();
  crowd = event.count ?? 0;
  for (const { user, clients } of event.users ?? [])
    users.set(user, clients.length);
  showUsers();
}

function onCame(user) {
  users.set(user, null);
  showUsers();
  record("note", { data: { join: user }, nodes: sentence(`${user} has come`) });
}

function onLeft(user) {
  users.delete(user);
  showUsers();
  record("note", { data: { leave: user }, nodes: sentence(`${user} has gone`) });
}

function presenceHint(listed) {
  if (crowd > 0)
    return `Too many to be listed: ${crowd} when this was said.`;
  return listed > 0 || socket.state !== "open" ? "" :
    "Nobody with a name. On a machine of your own (make run) ?user=NAME in the address gives you one.";
}

function showUsers() {
  const items = [...users].sort(([a], [b]) => (a < b ? -1 : 1)).map(([user, clients]) => {
    const item = part("li", user === socket.user ? "me" : "", clients > 1 ? `${user} ×${clients}` : user);
    item.dataset.user = user;
    return item;
  });
  byId("users").replaceChildren(...items);
  byId("presence-hint").textContent = presenceHint(items.length);
}

// ---- facts, and the button -------------------------------------------------------------------------------------

const FACTS = {
  state: () => `${socket.state}, ${socket.transport}`,
  client: () => socket.client ?? "none yet",
  user: () => socket.user ?? "nobody",
};

function addFacts() {
  for (const name of Object.keys(FACTS)) {
    const value = document.createElement("dd");
    value.dataset.fact = name;
    byId("facts").append(part("dt", "", name), value);
  }
  setInterval(showMoreFacts, FACTS_INTERVAL_MS);
}

function showMoreFacts() {
  if (!socket)
    return;
  for (const [name, value] of Object.entries(FACTS))
    setText(document.querySelector(`[data-fact="${name}"]`), value());
}

// A page can't break a connection without a closing handshake; to WSPush a close without a code is as good as a cut. An
// EventSource that is closed says nothing, so it is said for it.
function breakLine() {
  nativeLine.close();
  if (nativeLine instanceof EventSource)
    nativeLine.dispatchEvent(new Event("error"));
}

byId("facts-title").textContent = "WSPush";
byId("presence").hidden = false;
byId("break").hidden = false;
byId("break").addEventListener("click", breakLine);
addFacts();
