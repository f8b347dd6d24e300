/* npm's eventsource. */
import { EventSource } from "eventsource";
import { hex, serve, versionOf } from "./lines.mjs";

const TYPES = ["hello", "message", "binary", "reset", "presence", "join", "leave", "beat", "close"];

serve(versionOf("eventsource"), { http2: "its fetch, Node's, speaks HTTP/1.1" }, (url, options, tell) => {
  const events = new EventSource(url);
  events.onopen = () => tell("opened");
  events.onerror = ({ code }) => events.readyState === EventSource.CLOSED ? tell("stopped", code ?? 0) : tell("lost");
  for (const type of TYPES)
    events.addEventListener(type, ({ data, lastEventId }) => tell("event", type, lastEventId || "-", hex(data)));
  return { drop: () => events.close() };
});
