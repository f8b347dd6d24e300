/*
 * What the Node clients share: the dialogue that table.py's head describes, on stdin and stdout.
 *
 * A client gives its name, what it can't do and why, and a function open(url, options, tell) that begins a connection and
 * returns it: an object with a method for each command, which gets bytes, and the word that they came as. tell(word, ...)
 * reports an event; bytes and texts go as hex.
 */
import fs from "node:fs";
import readline from "node:readline";

export function versionOf(name) {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return `npm ${name} ${JSON.parse(fs.readFileSync(file)).version}`;
}

function bytesOf(word) {
  const [hex, times] = word.split("*");
  const once = Buffer.from(hex, "hex");
  return times ? Buffer.alloc(once.length * Number(times), once) : once;
}

export function hex(data) {
  return Buffer.from(data).toString("hex") || "-";
}

function optionsOf(words) {
  return Object.fromEntries(words.map((word) => word.split(/=(.*)/s).slice(0, 2)));
}

const write = (line) => process.stdout.write(`${line}\n`);

export function serve(name, cannot, open) {
  const connections = new Map();
  write(`name ${name}`);
  for (const [feature, why] of Object.entries(cannot))
    write(`cannot ${feature} ${why}`);
  write("ready");
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    const [number, verb, ...words] = line.split(" ");
    if (verb === "open")
      connections.set(number, open(words[0], optionsOf(words.slice(1)), (...event) => write(`${number} ${event.join(" ")}`)));
    else if (verb === "close")
      connections.get(number).close(...(words.length ? [Number(words[0]), bytesOf(words[1]).toString()] : []));
    else
      connections.get(number)[verb](words.length ? bytesOf(words[0]) : undefined, words[0]);
  });
  lines.on("close", () => process.exit(0));
}
