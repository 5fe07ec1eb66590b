// What every document system needs around the typed calls: tries under one Idempotency-Key, the loop that leases, stores and
// acknowledges, the digest of each download, the signature of each webhook. All other calls: `gateway.api.GET(…)`.

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./api.js";

export type { components, operations, paths } from "./api.js";
type Schemas = components["schemas"];
export type Message = Schemas["Message"];
export type MessageIn = Schemas["MessageIn"];
export type InboxItem = Schemas["InboxItem"];
export type InboxFile = Schemas["InboxFileOut"];
export type Upload = Schemas["UploadOut"];
/** An event of any type; `EventOut` is one of a type that this client does not know yet. */
export type Event = Schemas["Event"];
type Known<T> = T extends { type: infer Type extends string } ? (string extends Type ? never : Type) : never;
/** The types that this client knows. */
export type EventType = Known<Event>;
/** An event of one type, with its data: `EventOf<"message.status">`. */
export type EventOf<Type extends EventType> = Extract<Event, { type: Type }>;
export type Problem = Schemas["Problem"];

const TRIES = 8;
const [LEASE_S, WAIT_S, AT_ONCE] = [120, 10, 20];
const [FIRST_MS, MOST_MS] = [500, 30_000];
const TOLERANCE_S = 300;

/** Tells whether an event is of this type: `if (isEvent(event, "message.status")) use(event.data.delivery)`. */
export function isEvent<Type extends EventType>(event: Event, type: Type): event is EventOf<Type> {
  return event.type === type;
}

/** A refusal of the node: act on `problem.code`, show `problem.detail` to people. */
export class Refused extends Error {
  constructor(readonly status: number, readonly problem: Problem | undefined) {
    super(`${status} ${problem?.code ?? ""} ${problem?.detail ?? ""}`);
  }
}

/** What a call of `openapi-fetch` gives. */
interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** What a loop took in, and how often its function failed: those documents are offered again. */
export interface Taken {
  done: number;
  failed: number;
}

/** Makes a call that may be repeated (a read, or one under an Idempotency-Key that stays the same), again where its outcome is
 * unknown or the node asks for it; never earlier than Retry-After says. */
export async function retry<T>(call: () => Promise<Answer<T>>): Promise<T> {
  for (let failed = 1; ; failed++) {
    let why: unknown;
    let askedMs = 0;
    try {
      const { data, error, response } = await call();
      if (response.ok) return data as T;
      const problem = error as Problem | undefined;
      why = new Refused(response.status, problem);
      const again = [408, 429].includes(response.status) || response.status >= 500 || problem?.code === "GW-IDEM-RUNNING";
      if (!again) throw why;
      askedMs = 1000 * (Number(response.headers.get("Retry-After")) || 0);
    } catch (thrown) {
      if (thrown === why || !(thrown instanceof TypeError)) throw thrown; // TypeError: no answer came
      why = thrown;
    }
    if (failed === TRIES) throw why;
    await pause(Math.max(askedMs, Math.min(MOST_MS, FIRST_MS * 2 ** (failed - 1)) * (0.5 + Math.random() / 2)));
  }
}

export class Gateway {
  /** The typed calls: `retry(() => gateway.api.GET("/api/v1/me"))`. */
  readonly api: Client<paths>;

  constructor(node: string, key: string) {
    this.api = createClient<paths>({ baseUrl: node, headers: { Authorization: `Bearer ${key}` } });
  }

  /** Uploads a file, which the node compares with its digest; name the answer's id in `MessageIn.files`. */
  upload(name: string, content: Uint8Array<ArrayBuffer>): Promise<Upload> {
    const digest = `sha-256=:${createHash("sha256").update(content).digest("base64")}:`;
    return retry(() =>
      this.api.PUT("/api/v1/uploads/file", {
        params: { query: { name }, header: { "Content-Digest": digest } },
        headers: { "Content-Type": "application/octet-stream" },
        body: "", // the description calls bytes a string
        bodySerializer: () => new Blob([content]),
      }),
    );
  }

  /** Sends a document. `once` is your own id of this act: a repeat under it, even after a crash, sends nothing twice. */
  send(meta: MessageIn, once: string): Promise<Message> {
    const header = { "Idempotency-Key": once };
    return retry(() => this.api.POST("/api/v1/messages", { params: { header }, body: meta }));
  }

  /** Leases documents, hands each to `store` and acknowledges it when that ends well, until `stop` says so. Store by the id: a
   * document may come a second time. */
  async receive(store: (item: InboxItem) => Promise<void>, stop: () => boolean): Promise<Taken> {
    const taken = { done: 0, failed: 0 };
    while (!stop()) {
      const began = Date.now();
      const query = { lease: LEASE_S, limit: AT_ONCE, wait: WAIT_S };
      const page = await retry(() => this.api.GET("/api/v1/inbox", { params: { query } }));
      for (const [n, item] of page.data.entries()) {
        // One that another program may have by now is not begun.
        if (stop() || (n > 0 && Date.now() - began > LEASE_S * 500)) break;
        try {
          await store(item);
          await retry(() => this.api.POST("/api/v1/inbox/{id}/ack", { params: { path: { id: item.id } } }));
          taken.done++;
        } catch (why) {
          console.warn(`${item.id} will be offered again:`, why);
          taken.failed++;
        }
      }
    }
    return taken;
  }

  /** Downloads one file of an incoming document, and compares it with its digest. */
  async download(item: InboxItem, file: InboxFile): Promise<Uint8Array> {
    const path = { id: item.id, n: String(file.n) };
    const raw: unknown = await retry(() =>
      this.api.GET("/api/v1/inbox/{id}/files/{n}", { params: { path }, parseAs: "arrayBuffer" }),
    );
    const content = new Uint8Array(raw as ArrayBuffer);
    requireDigest(content, file.sha256);
    return content;
  }
}

/** Throws where these are other bytes. */
export function requireDigest(content: Uint8Array, sha256: string): void {
  const digest = createHash("sha256").update(content).digest("hex");
  if (digest !== sha256) throw new Error("a file is not whole: its SHA-256 differs");
}

/** Returns the event of a webhook (Standard Webhooks 1.0), or throws: the body is not the node's, or old. Header names are small, as
 * node:http gives them. */
export function verifyWebhook(headers: Record<string, string | string[] | undefined>, body: Uint8Array, ...secrets: string[]): Event {
  const [id, stamp, signatures] = ["id", "timestamp", "signature"].map((name) => String(headers[`webhook-${name}`] ?? "")) as [string, string, string];
  if (!/^\d{1,15}$/.test(stamp)) throw new Error("webhook-timestamp is no time");
  const expected = secrets.map((secret) => {
    const key = Buffer.from(secret.trim().replace(/^whsec_/, ""), "base64");
    return Buffer.from(`v1,${createHmac("sha256", key).update(`${id}.${stamp}.`).update(body).digest("base64")}`);
  });
  const offered = signatures.split(" ").slice(0, 20).map((text) => Buffer.from(text));
  const fits = expected.some((a) => offered.some((b) => a.length === b.length && timingSafeEqual(a, b)));
  if (!fits) throw new Error("no signature fits");
  if (Math.abs(Date.now() / 1000 - Number(stamp)) > TOLERANCE_S) throw new Error("it was signed too long ago; is the clock right?");
  return JSON.parse(Buffer.from(body).toString("utf8")) as Event;
}
