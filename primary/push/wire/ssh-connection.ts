// One persistent ssh2 connection to a replica: host key pinned, logged in with the transport key, one channel to the
// forced command, plain HTTP over it. A connection that is lost is not mended here: the link makes a new one.
import {
  Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from "node:http";
import type { Duplex } from "node:stream";
import ssh2, { type ClientChannel, type ConnectConfig } from "ssh2";
import { PushError } from "../push-error.js";

export interface SshTarget {
  host: string;
  port: number;
  user: string;
  /** Pinned host key, in OpenSSH public key form. */
  hostKey: string;
  /** Private transport key, in OpenSSH form. */
  privateKey: string;
}

const READY_TIMEOUT_MS = 20_000;
/** For the routers in between, which forget a connection that says nothing. */
const KEEPALIVE_MS = 15_000;
/** A hello or a cosigned note is a few hundred; a replica must not fill this host's memory. */
const MAX_ANSWER_CHARS = 64 * 1024;
/** AES-GCM first: with AES-NI it costs a third of chacha20-poly1305. */
const CIPHERS = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr"];

export class SshConnection {
  readonly #client: ssh2.Client;
  readonly #agent: Agent;
  readonly #lost: AbortSignal;

  private constructor(client: ssh2.Client, channel: ClientChannel, lost: AbortSignal) {
    this.#client = client;
    this.#lost = lost;
    this.#agent = channelAgent(channel);
  }

  /** `readyMs`: for the login, and once more for the channel. @throws PushError `unreachable`, `host-key`, `login` */
  static async open(
    target: SshTarget,
    { signal, readyMs = READY_TIMEOUT_MS }: { signal?: AbortSignal; readyMs?: number } = {},
  ): Promise<SshConnection> {
    signal?.throwIfAborted();
    const client = new ssh2.Client();
    const lost = lostSignal(client, target);
    const onAbort = () => client.destroy();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await ready(client, target, lost, readyMs);
      const channel = await openChannel(client, target, readyMs);
      return new SshConnection(client, channel, lost);
    } catch (error) {
      client.destroy();
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Fires when the connection is gone, with a PushError as its reason. */
  get lost(): AbortSignal {
    return this.#lost;
  }

  /** A request to the replica's agent. Requests go one after another over the one channel. */
  request(method: string, path: string, headers: Record<string, string | number>): ClientRequest {
    return httpRequest({ agent: this.#agent, host: "agent", method, path, headers });
  }

  /** `work`, or the loss of the connection if that comes first. Leaves nothing behind on a connection that lives for weeks. */
  unlessLost<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const onLost = () => reject(this.#lost.reason);
      if (this.#lost.aborted) onLost();
      this.#lost.addEventListener("abort", onLost, { once: true });
      const done = () => this.#lost.removeEventListener("abort", onLost);
      void work.then(resolve, reject).finally(done);
    });
  }

  /** Ends it at once, with whatever was under way. */
  destroy(): void {
    this.#agent.destroy();
    this.#client.destroy();
  }
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/**
 * The whole answer to a request whose body has been sent or is being sent. It is read as it comes: a refusal arrives
 * while the body is still going out, and what then breaks must not take the reason with it. Rejects for one that is cut.
 */
export function answerTo(request: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // Each of them, so that none is an error that nobody hears.
    request.on("error", reject);
    request.once("response", (response: IncomingMessage) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
        if (text.length <= MAX_ANSWER_CHARS) return;
        reject(new PushError("conflict", "bad-answer", `the answer is of over ${MAX_ANSWER_CHARS} characters`));
        request.destroy();
      });
      response.once("close", () => {
        if (response.complete) resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        else reject(new Error("the answer was cut"));
      });
    });
  });
}

function ready(client: ssh2.Client, target: SshTarget, lost: AbortSignal, readyMs: number): Promise<void> {
  const pinned = publicKeyBytes(target.hostKey);
  const config: ConnectConfig = {
    host: target.host,
    port: target.port,
    username: target.user,
    privateKey: target.privateKey,
    readyTimeout: readyMs,
    keepaliveInterval: KEEPALIVE_MS,
    // Its answer waits behind what is on the way: on a slow line that is minutes, and a push would never end. Who is dead is
    // found out by the hello and by the stall watchdog.
    keepaliveCountMax: Number.POSITIVE_INFINITY,
    // Only the pinned key's own type is offered, so that a host with several keys shows the pinned one.
    algorithms: { cipher: CIPHERS as never, serverHostKey: hostKeyAlgorithms(target.hostKey) as never },
    hostVerifier: (key: Buffer) => key.equals(pinned),
  };
  return new Promise((resolve, reject) => {
    client.once("ready", () => resolve());
    lost.addEventListener("abort", () => reject(lost.reason), { once: true });
    client.connect(config);
  });
}

/** A host can hang behind the login as well, and then nothing else would notice: its kernel goes on acking. */
function openChannel(client: ssh2.Client, target: SshTarget, readyMs: number): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    const late = `${placeOf(target)} let us in and opened no channel within ${readyMs / 1000} s`;
    const timer = setTimeout(() => reject(new PushError("retryable", "unreachable", late)), readyMs);
    // The key's forced command decides what runs; this text is what an unrestricted key would run.
    client.exec("isochron-replica receive", (error, channel) => {
      clearTimeout(timer);
      if (error) reject(new PushError("retryable", "login", `no channel: ${error.message}`, { cause: error }));
      else resolve(channel);
    });
  });
}

/** Aborted, with a PushError as its reason, when the connection is gone or never came. */
function lostSignal(client: ssh2.Client, target: SshTarget): AbortSignal {
  const where = placeOf(target);
  const lost = new AbortController();
  client.on("error", (error: Error & { level?: string }) => lost.abort(sshError(error, where)));
  client.once("close", () => lost.abort(new PushError("retryable", "unreachable", `${where} closed the connection`)));
  return lost.signal;
}

function placeOf({ user, host, port }: SshTarget): string {
  return `${user}@${host}:${port}`;
}

function sshError(error: Error & { level?: string }, where: string): PushError {
  const options = { cause: error };
  if (/host denied|Handshake failed.*host|verification failed/i.test(error.message)) {
    return new PushError("conflict", "host-key", `${where} did not show the pinned host key`, {
      ...options,
      hint: "compare `host_key` in the configuration with /etc/ssh/ssh_host_ed25519_key.pub on that host",
    });
  }
  if (error.level === "client-authentication") {
    return new PushError("conflict", "login", `${where} refused the transport key`, {
      ...options,
      hint: "put the line that `isochron-primary key` prints into that user's authorized_keys",
    });
  }
  return new PushError("retryable", "unreachable", `${where} cannot be reached: ${error.message}`, options);
}

function channelAgent(channel: ClientChannel): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let taken = false;
  agent.createConnection = ((_options: unknown, done: (error: Error | null, stream?: Duplex) => void) => {
    // The channel is the connection: once it is gone there is no second one.
    if (taken) done(new PushError("retryable", "unreachable", "the channel to the replica's agent is closed"));
    else done(null, asSocket(channel));
    taken = true;
    return undefined;
  }) as never;
  return agent;
}

/** Of what the forced command says, the last words are kept. */
const MOST_SAID_CHARS = 2048;

/** The few methods of a net.Socket that node's HTTP client calls without asking. */
function asSocket(channel: ClientChannel): Duplex {
  const self = () => channel;
  // Between two requests nobody else listens, and an error that nobody hears ends the process.
  channel.on("error", () => undefined);
  explainEnd(channel);
  return Object.assign(channel, { setKeepAlive: self, setNoDelay: self, setTimeout: self, ref: self, unref: self });
}

/**
 * What was said on stderr (no agent there) becomes the error of a channel that ends, once. While the channel is open it is
 * nothing: the shell of a login may complain of anything before the agent answers.
 */
function explainEnd(channel: ClientChannel): void {
  let said = "";
  channel.stderr.on("data", (text: Buffer) => {
    said = (said + text.toString()).slice(-MOST_SAID_CHARS);
  });
  let isTold = false;
  const tell = () => {
    if (isTold || said.trim() === "") return;
    isTold = true;
    channel.emit("error", new PushError("retryable", "unreachable", `the forced command said: ${said.trim()}`));
  };
  channel.once("end", tell);
  channel.once("close", tell);
}

function publicKeyBytes(line: string): Buffer {
  return Buffer.from(line.trim().split(/\s+/)[1] ?? "", "base64");
}

function hostKeyAlgorithms(line: string): string[] {
  const type = line.trim().split(/\s+/)[0] ?? "";
  return type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"] : [type];
}
