// A wire between primary and sshd that counts what goes over it, holds it to a speed, and cuts it at a given byte: a TCP
// proxy on loopback. What it cuts is a connection of ssh, so both ends see what they see when a real link breaks.
import { readFile, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fleet } from "./start-fleet.js";

export interface CutLink {
  /** Bytes towards the replica since the start. */
  readonly sentBytes: number;
  /** Cuts once so many more bytes have gone towards the replica; none of those behind them arrives. */
  cutAfter(bytes: number): void;
  /** Cuts in place of the next answer: of anything longer than a sign of life towards the primary. */
  cutAtAnswer(): void;
  /** Resolves when the connection was cut as asked for. */
  whenCut(): Promise<void>;
  /** Cuts whatever there is now. */
  cut(): void;
  stop(): Promise<void>;
}

/** Longer than what ssh itself and `102 Processing` bring in one piece, shorter than a cosigned checkpoint. */
const ANSWER_BYTES = 400;

/** Puts a wire into a fleet whose primary has not started yet. */
export async function putLinkBetween(
  fleet: Fleet,
  { bytesPerSecond = Number.POSITIVE_INFINITY } = {},
): Promise<CutLink> {
  const sockets = new Set<Socket>();
  let [sentBytes, leftBytes, isAnswerCut] = [0, Number.POSITIVE_INFINITY, false];
  let [wasCut, tellCut] = newCut();
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    [leftBytes, isAnswerCut] = [Number.POSITIVE_INFINITY, false];
    tellCut();
  };
  const forward = async (from: Socket, to: Socket) => {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      const passed = chunk.subarray(0, leftBytes);
      leftBytes -= passed.length;
      sentBytes += passed.length;
      await new Promise((resolve) => to.write(passed, resolve));
      if (leftBytes === 0) cut();
      if (bytesPerSecond < Number.POSITIVE_INFINITY) await sleep((passed.length / bytesPerSecond) * 1000);
    }
    to.end();
  };
  const backward = async (from: Socket, to: Socket) => {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      if (isAnswerCut && chunk.length >= ANSWER_BYTES) cut();
      else to.write(chunk);
    }
    to.end();
  };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port: fleet.sshd.port, host: "127.0.0.1", allowHalfOpen: true });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.once("close", () => sockets.delete(socket));
    }
    near.once("close", () => far.destroy());
    far.once("close", () => near.destroy());
    forward(near, far).catch(() => undefined);
    backward(far, near).catch(() => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  await redirect(fleet, (server.address() as AddressInfo).port);
  return {
    get sentBytes() {
      return sentBytes;
    },
    cutAfter(bytes) {
      [wasCut, tellCut] = newCut();
      leftBytes = bytes;
    },
    cutAtAnswer() {
      [wasCut, tellCut] = newCut();
      isAnswerCut = true;
    },
    whenCut: () => wasCut,
    cut,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      cut();
      await closed;
    },
  };
}

function newCut(): [wasCut: Promise<void>, tellCut: () => void] {
  let tellCut: () => void = () => undefined;
  const wasCut = new Promise<void>((resolve) => {
    tellCut = resolve;
  });
  return [wasCut, tellCut];
}

async function redirect({ primary: { configPath } }: Fleet, port: number): Promise<void> {
  const config = JSON.parse(await readFile(configPath, "utf8"));
  config.replicas = config.replicas.map((replica: object) => ({ ...replica, host: "127.0.0.1", port }));
  await writeFile(configPath, JSON.stringify(config, null, 2));
}
