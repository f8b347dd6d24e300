/* npm's faye-websocket, with the compression that is a package beside it. */
import faye from "faye-websocket";
import deflate from "permessage-deflate";
import { hex, serve, versionOf } from "./lines.mjs";

function extensionsOf(options) {
  if (options.deflate !== "on")
    return [];
  const bits = Number(options.window);
  return [bits ? deflate.configure({ maxWindowBits: bits, requestMaxWindowBits: bits }) : deflate];
}

const cannot = {
  fragments: "it sends a message as one frame",
  deaf: "it answers every ping by itself",
  version: "it speaks version 13 only",
  close_any: "it closes with 1000 and 3000 to 4999 only",
  close_bare: "it puts 1000 into a close without a code",
  bad_utf8: "a text is a string of JavaScript",
};

serve(versionOf("faye-websocket"), cannot, (url, options, tell) => {
  const ws = new faye.Client(url, options.protocols?.split(",") ?? [], {
    headers: options.origin ? { Origin: options.origin } : {},
    extensions: extensionsOf(options),
  });
  let opened = false;
  ws.on("open", () => {
    opened = true;
    tell("opened", ws.headers["sec-websocket-extensions"] ? "deflate" : "plain", ws.protocol || "-");
  });
  ws.on("message", ({ data }) => tell(typeof data === "string" ? "text" : "binary", hex(data)));
  ws.on("close", ({ code, reason }) => opened ? tell("closed", code, hex(reason)) : tell("refused", ws.statusCode));
  return {
    text: (data) => ws.send(data.toString()),
    binary: (data) => ws.send(data),
    ping: (data) => ws.ping(data.toString(), () => tell("pong", hex(data))),
    close: (code, reason) => ws.close(code, reason),
    drop: () => ws._stream.destroy(), // the library has no word for it
    pause: () => ws.pause(),
    resume: () => ws.resume(),
  };
});
