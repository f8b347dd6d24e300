/*
 * The server's side of docs/CLIENT.md in little: wspush.v1 and event streams over real sockets, every message kept, POST
 * publishing. Between it and its clients stands a proxy that can cut each connection after a number of bytes.
 */
import http from "node:http";
import net from "node:net";
import { WebSocketServer } from "ws";

const GENERATION = "1795412345678";

class Channel {
  messages = [];
  clients = new Set();

  get head() {
    return `${GENERATION}-${this.messages.length}`;
  }

  // The messages behind a position; null where there is no such position.
  after(id) {
    const [generation, seq] = (id ?? this.head).split("-");
    return generation === GENERATION && seq <= this.messages.length ? this.messages.slice(seq) : null;
  }
}

export class Server {
  channels = new Map();
  said = []; // what clients sent: [channel, data]
  acks = [];
  pings = 0;
  handshakes = 0;
  streams = 0;
  speaksV1 = true;

  static async start() {
    const server = new Server();
    server.http = http.createServer((request, response) => server.onRequest(request, response));
    server.sockets = new WebSocketServer({
      server: server.http,
      handleProtocols: (offered) => server.speaksV1 && offered.has("wspush.v1") && "wspush.v1",
    });
    server.sockets.on("connection", (socket, request) => server.onSocket(socket, request));
    server.proxy = new Proxy(await listen(server.http));
    server.port = await listen(server.proxy.server);
    return server;
  }

  stop() {
    this.sockets.clients.forEach((socket) => socket.terminate());
    this.proxy.cutAll();
    this.proxy.server.close();
    this.http.closeAllConnections();
    this.http.close();
  }

  channel(name) {
    if (!this.channels.has(name))
      this.channels.set(name, new Channel());
    return this.channels.get(name);
  }

  publish(name, data, more = {}) {
    const channel = this.channel(name);
    const message = { ch: name, id: `${GENERATION}-${channel.messages.length + 1}`, ...(data instanceof Uint8Array
      ? { b64: Buffer.from(data).toString("base64") } : { data }), ...more };
    channel.messages.push(message);
    for (const tell of channel.clients)
      tell(message);
  }

  onSocket(socket, request) {
    this.handshakes++;
    const { own, since } = asked(request);
    const say = (what) => socket.send(JSON.stringify(what));
    if (socket.protocol !== "wspush.v1") {
      const tell = ({ data }) => socket.send(data);
      this.channel(own).clients.add(tell);
      socket.on("close", () => this.channel(own).clients.delete(tell));
      return;
    }
    say({ hello: { client: `c${this.handshakes}`, user: null, channels: [own] } });
    const on = new Set();
    const subscribe = (name, from) => {
      const channel = this.channel(name);
      say({ sub: { ch: name, id: channel.head } });
      const missed = channel.after(from);
      if (missed)
        missed.forEach(say);
      else
        say({ reset: { ch: name, why: "generation", id: channel.head } });
      channel.clients.add(say);
      on.add(name);
    };
    subscribe(own, since);
    socket.on("close", () => on.forEach((name) => this.channel(name).clients.delete(say)));
    socket.on("message", (text) => {
      const what = JSON.parse(text);
      what.sub?.forEach((name) => subscribe(name, what.since?.[name]));
      if (what.ping)
        say({ pong: what.ping }), this.pings++;
      if (what.ack)
        this.acks.push(what.ack);
      if ("data" in what || "b64" in what)
        this.said.push([what.ch ?? own, what.data ?? Buffer.from(what.b64, "base64")]);
    });
    socket.on("error", () => {});
  }

  onRequest(request, response) {
    const { own, since } = asked(request);
    const channel = this.channel(own);
    if (request.method === "POST") {
      const chunks = [];
      request.on("data", (chunk) => chunks.push(chunk)).on("end", () => {
        this.said.push([own, Buffer.concat(chunks).toString()]);
        response.end("{}");
      });
      return;
    }
    this.streams++;
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    const block = (lines) => response.write(lines + "\n\n");
    const tell = ({ id, data, b64 }) => block(`id: ${id}\n${b64 === undefined ? "" : "event: binary\n"}data: ${data ?? b64}`);
    const missed = channel.after(request.headers["last-event-id"] ?? since) ?? [];
    const from = `${GENERATION}-${channel.messages.length - missed.length}`;
    block(`event: hello\nid: ${from}\ndata: {"client":"c0","user":null,"channels":["${own}"]}`);
    missed.forEach(tell);
    channel.clients.add(tell);
    response.on("close", () => channel.clients.delete(tell));
  }
}

function asked(request) {
  const url = new URL(request.url, "http://x");
  return { own: url.pathname.replace(/^\/|\/$/g, ""), since: url.searchParams.get("since") ?? undefined };
}

// How many bytes the next connection lives, counted towards the client; Infinity: it is not cut.
class Proxy {
  connections = new Set();
  lifetime = () => Infinity;
  cuts = 0;

  constructor(port) {
    this.server = net.createServer((client) => {
      let left = this.lifetime();
      const server = net.connect(port, "127.0.0.1");
      const both = { end: () => { client.destroy(); server.destroy(); this.connections.delete(both); } };
      this.connections.add(both);
      client.pipe(server);
      server.on("data", (chunk) => {
        client.write(chunk.subarray(0, left));
        left -= chunk.length;
        if (left > 0)
          return;
        this.cuts++;
        client.end(() => both.end());
      });
      for (const end of [client, server])
        end.on("close", both.end).on("error", both.end);
    });
  }

  cutAll() {
    for (const both of [...this.connections])
      both.end();
  }
}

function listen(server) {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));
}
