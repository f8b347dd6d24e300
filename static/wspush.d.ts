/** Why the connection is away, or that it is there. */
export type WSPushState = "connecting" | "open" | "waiting" | "offline" | "closed";
export type WSPushTransport = "websocket" | "sse";

export interface WSPushOptions {
  /**
   * Gives the token that goes into the address as `?token=`; a promise is awaited, for 15 s. It is asked before the first
   * connection, and again after the server has closed with 4401 or where nothing came up. Nothing or "": no token. Where it
   * throws, `error` says so (code `connect`), and it is asked again with the next try.
   */
  getToken?: () => string | null | undefined | Promise<string | null | undefined>;
  /** The position in the own channel to begin at: the `id` of a message that an earlier page had. */
  since?: string | null;
  /** What may be used, default both: `["websocket", "sse"]`. */
  transports?: WSPushTransport[];
  /** Subprotocols that are offered after `wspush.v1`, for a server that does not speak it. */
  protocols?: string | string[];
  /** Bytes that may wait to be sent, default 4 MiB; send() throws a QuotaExceededError above. One message always may. */
  queue?: number;
}

export interface WSPushMessageEvent extends MessageEvent {
  /** null: sent to this client, its user or everybody, or the server does not speak wspush.v1. */
  readonly channel: string | null;
  /** The position behind this message: for `since`. Also in `lastEventId`, there "" for null. */
  readonly id: string | null;
}

export interface WSPushStateEvent extends Event {
  readonly state: WSPushState;
  readonly transport: WSPushTransport;
  /** "wspush.v1"; anything else with a WebSocket means plain: no channels, no positions, no resume. */
  readonly protocol: string;
  /** With `waiting` and `offline`: milliseconds until the next try. */
  readonly delay?: number;
  /** With `waiting`, `offline` and `closed`: how the last connection ended; 1006: it was lost, or never came up. */
  readonly code?: number;
  readonly reason?: string;
}

export interface WSPushResetEvent extends Event {
  readonly channel: string;
  /**
   * Messages are missing before what comes next: fetch the state anew. From the server: "gone", "generation", "slow".
   * "unknown": there was no position to go on from (a server without wspush.v1), or the server did not know it.
   */
  readonly why: string;
  readonly id: string | null;
}

export interface WSPushPresenceEvent extends Event {
  readonly channel: string;
  /** `null` while there are more users than the option `presence_users`: then `count` is how many. */
  readonly users: { user: string; clients: string[]; since: number }[] | null;
  readonly count?: number;
}

/** `join` and `leave`. */
export interface WSPushUserEvent extends Event {
  readonly channel: string;
  readonly user: string;
}

export interface WSPushErrorEvent extends Event {
  /**
   * From the server: see docs/CLIENT.md. From here: `connect` (getToken has failed, or the browser refuses the address),
   * `unsure` (under way when the connection was lost: it may have arrived or not), `unsent` (never sent), `post` (over SSE: the
   * POST has failed, and why), `unsub` (the server took the channel away).
   */
  readonly code: string;
  readonly text?: string;
  readonly channel?: string;
  /** With `unsure`, `unsent` and `post`: what was to be sent. */
  readonly data?: string | Uint8Array | Blob;
}

export interface WSPushEventMap {
  open: Event;
  message: WSPushMessageEvent;
  error: WSPushErrorEvent;
  close: CloseEvent;
  state: WSPushStateEvent;
  reset: WSPushResetEvent;
  presence: WSPushPresenceEvent;
  join: WSPushUserEvent;
  leave: WSPushUserEvent;
}

/** A WebSocket that comes back: `new WSPush(url)` in place of `new WebSocket(url)`. */
export declare class WSPush extends EventTarget {
  static readonly CONNECTING: 0;
  static readonly OPEN: 1;
  static readonly CLOSING: 2;
  static readonly CLOSED: 3;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;

  /** url: relative to the page, or absolute; http, https, ws or wss. A string or a list as options are `protocols`. */
  constructor(url: string | URL, options?: WSPushOptions | string | string[]);

  /** OPEN from the first opening to the end: while the connection is away, `state` says so. */
  readonly readyState: 0 | 1 | 2 | 3;
  readonly state: WSPushState;
  readonly transport: WSPushTransport;
  readonly url: string;
  readonly protocol: string;
  readonly extensions: string;
  /** Bytes that send() took and the network has not, those that wait for the connection among them. */
  readonly bufferedAmount: number;
  binaryType: "blob" | "arraybuffer";
  /** What the server calls this client (`c42`; a new one for each connection) and its user. */
  readonly client?: string;
  readonly user?: string | null;

  /** Once, when the first connection is there. */
  onopen: ((this: WSPush, event: Event) => unknown) | null;
  onmessage: ((this: WSPush, event: WSPushMessageEvent) => unknown) | null;
  onerror: ((this: WSPush, event: WSPushErrorEvent) => unknown) | null;
  /** Once, when it does not come back any more. */
  onclose: ((this: WSPush, event: CloseEvent) => unknown) | null;
  onstate: ((this: WSPush, event: WSPushStateEvent) => unknown) | null;
  onreset: ((this: WSPush, event: WSPushResetEvent) => unknown) | null;
  onpresence: ((this: WSPush, event: WSPushPresenceEvent) => unknown) | null;
  onjoin: ((this: WSPush, event: WSPushUserEvent) => unknown) | null;
  onleave: ((this: WSPush, event: WSPushUserEvent) => unknown) | null;

  /** To the own channel, or to another one. While the connection is away it waits, in order. */
  send(data: string | ArrayBuffer | ArrayBufferView | Blob, channel?: string): void;
  /** For good: nothing comes back. */
  close(code?: number, reason?: string): void;
  /** Also before it is open. From a position, or as the channel's option `first` says. */
  subscribe(channel: string, since?: string | null): void;
  /** The own channel, which is the URL's, stays. */
  unsubscribe(channel: string): void;

  addEventListener<K extends keyof WSPushEventMap>(type: K,
    listener: (this: WSPush, event: WSPushEventMap[K]) => unknown, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions): void;
  removeEventListener<K extends keyof WSPushEventMap>(type: K,
    listener: (this: WSPush, event: WSPushEventMap[K]) => unknown, options?: boolean | EventListenerOptions): void;
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions): void;
}
