// Waits for stages that take their own time, by asking the daemons what `status` shows.
import { setTimeout as sleep } from "node:timers/promises";
import { askSocket, pathWith } from "../../shared/cli/ask-socket.js";
import type { EngineStatus } from "../../shared/query/engine.js";
import type { Session } from "./make-session.js";

const POLL_MS = 50;
const TIMEOUT_MS = 10 * 60_000;

interface PrimaryAnswer {
  ledger: { size: number; sealed: number };
  replicas: { size?: number; reason: string; hint?: string }[];
  sources: { packages: { written: number; caught_up: boolean } };
}

/** How many events the packages source wrote; 0 where this machine has no dpkg.log. */
export async function waitForPackages(session: Session): Promise<number> {
  return poll(session, "the packages source to catch up", async () => {
    const { packages } = (await askPrimary(session)).sources;
    return packages.caught_up ? packages.written : undefined;
  });
}

/** Seals until each of these elements has so many sealed events on the primary. */
export async function waitForEvents(session: Session, elements: Record<string, number>): Promise<void> {
  for (const [element, count] of Object.entries(elements)) {
    await poll(session, `events of ${element}`, async () => {
      const socketPath = session.socket("primary", "control");
      await askSocket({ socketPath, path: "/v1/seal", method: "POST", body: {} });
      return (await lengthOfChain(session, element)) >= count ? true : undefined;
    });
  }
}

async function lengthOfChain(session: Session, element: string): Promise<number> {
  const path = pathWith("/v1/chain", { element, limit: 1 });
  const answer = askSocket<{ length: number }>({ socketPath: session.socket("primary", "query"), path });
  return answer.then(
    ({ length }) => length,
    () => 0,
  );
}

/** Waits until the replica has acked, and answers from, all that is sealed. */
export async function waitForReplica(session: Session): Promise<void> {
  await poll(session, "the replica to answer from what was sealed", async () => {
    const { ledger, replicas } = await askPrimary(session);
    const answers = await askSocket<EngineStatus>({
      socketPath: session.socket("replica", "query"),
      path: "/v1/status",
    });
    return replicas[0]?.size === ledger.sealed && answers.stores[0]?.size === ledger.sealed ? true : undefined;
  });
}

/** Waits until more than `size` entries are sealed. */
export async function waitForSeal(session: Session, size: number): Promise<void> {
  await poll(session, "the seal", async () => ((await askPrimary(session)).ledger.sealed > size ? true : undefined));
}

function askPrimary(session: Session): Promise<PrimaryAnswer> {
  return askSocket<PrimaryAnswer>({ socketPath: session.socket("primary", "control"), path: "/v1/status" });
}

async function poll<T>(session: Session, what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadlineMs = Date.now() + TIMEOUT_MS;
  while (Date.now() < deadlineMs) {
    session.cleanUp.signal.throwIfAborted();
    const found = await look();
    if (found !== undefined) return found;
    await sleep(POLL_MS, undefined, { signal: session.cleanUp.signal });
  }
  const { replicas } = await askPrimary(session);
  throw new Error(`waited in vain for ${what}; the replica's link says: ${replicas[0]?.reason}`);
}
