/* npm's ws. */
import WebSocket from "ws";
import { hex, serve, versionOf } from "./lines.mjs";

function deflateOf({ deflate, window }) {
  const bits = window && { clientMaxWindowBits: Number(window), serverMaxWindowBits: Number(window) };
  return deflate === "on" && { threshold: 0, ...bits };
}

serve(versionOf("ws"), {}, (url, options, tell) => {
  const ws = new WebSocket(url, options.protocols?.split(",") ?? [], {
    perMessageDeflate: deflateOf(options),
    autoPong: options.pong !== "off",
    origin: options.origin,
    protocolVersion: Number(options.version ?? 13),
  });
  ws.on("open", () => tell("opened", ws.extensions ? "deflate" : "plain", ws.protocol || "-"));
  ws.on("message", (data, binary) => tell(binary ? "binary" : "text", hex(data)));
  ws.on("pong", (data) => tell("pong", hex(data)));
  ws.on("close", (code, reason) => tell("closed", code, hex(reason)));
  ws.on("error", () => {}); // what it says comes as a close, too
  ws.on("unexpected-response", (request, response) => {
    tell("refused", response.statusCode);
    request.destroy();
  });
  let binary; // of the message that was begun
  const begin = (kind) => (data) => {
    binary = kind;
    ws.send(data, { binary, fin: false });
  };
  return {
    text: (data) => ws.send(data, { binary: false }),
    binary: (data) => ws.send(data, { binary: true }),
    begin_text: begin(false),
    begin_binary: begin(true),
    more: (data) => ws.send(data, { binary, fin: false }),
    last: (data) => ws.send(data, { binary, fin: true }),
    ping: (data) => ws.ping(data),
    close: (code, reason) => ws.close(code, reason),
    drop: () => ws.terminate(),
    pause: () => ws.pause(),
    resume: () => ws.resume(),
  };
});
