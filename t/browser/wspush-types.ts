// Compiled by wspush-package.test.mjs with tsc --strict, never run: a page in TypeScript.
import { WSPush, type WSPushMessageEvent, type WSPushOptions } from "wspush";

const options: WSPushOptions = { getToken: async () => "t", since: null, transports: ["sse"], queue: 1024 };
const ws = new WSPush("/chat", options);
ws.onopen = () => ws.send("hello");
ws.onmessage = (event) => console.log(event.channel?.length, event.id, event.data);
ws.onclose = ({ code, reason, wasClean }) => console.log(code + 1, reason, wasClean);
ws.onstate = function ({ state, delay }) {
  if (state === "waiting")
    console.log(this.transport, delay?.toFixed());
};
ws.addEventListener("presence", ({ users, count }) => users?.map(({ user, clients }) => user + clients.length) ?? count);
ws.addEventListener("reset", ({ why, channel }) => console.log(why, channel));
ws.addEventListener("mine", (event) => console.log(event.type));
const take = (event: WSPushMessageEvent) => event.origin;
ws.addEventListener("message", take);
ws.removeEventListener("message", take);
ws.subscribe("news", "1795412345678-17");
ws.send(new Uint8Array(3), "news");
ws.binaryType = "arraybuffer";
if (ws.readyState === WSPush.OPEN || ws.readyState === ws.CONNECTING)
  ws.close(1000, "done");

// It fits where a WebSocket was.
type Used = "readyState" | "url" | "protocol" | "extensions" | "bufferedAmount" | "binaryType" | "close";
const old: Pick<WebSocket, Used> & EventTarget = ws;
console.log(old.url);

// @ts-expect-error there is no such state
console.log(ws.state === "gone");
// @ts-expect-error read only
ws.url = "x";
// @ts-expect-error no such option
new WSPush("/chat", { channels: ["x"] });
