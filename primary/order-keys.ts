// What operators do to the keys that sign checkpoints: prepare the next one, go over to it, take it back. The old key is given
// up only when every replica has said, in a hello of this moment, that it trusts the next one; an operator may insist.
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { openNote } from "../shared/format/signed-note.js";
import type { Logger } from "../shared/log.js";
import { ControlError } from "./control/control-error.js";
import {
  describeKeys,
  type KeyOrder,
  type ReplicaTrust,
  type RotateAnswer,
  requireNext,
  stepAlone,
} from "./keys/key-steps.js";
import type { SigningKeys } from "./keys/signing-keys.js";
import type { Publisher } from "./publish.js";
import type { ReplicaLink } from "./push/replica-link.js";

type AskedLink = Pick<ReplicaLink, "name" | "told" | "status" | "askAnew">;

export interface KeyOrdersParts {
  keys: SigningKeys;
  publisher: Pick<Publisher, "newest" | "tree" | "seal">;
  links: readonly AskedLink[];
  /**
   * How long a commit waits for acks: what an increment takes on a line of the usual kind. Behind a slower one the operator
   * commits again later.
   */
  acksWithinMs?: number;
  log: Logger;
}

/** A hello takes a round trip; more than a few seconds of waiting is for the operator to decide. */
const ANSWERS_WITHIN_MS = 10_000;
const ACKS_WITHIN_MS = 30_000;
const ASK_EVERY_MS = 1000;
const LOOK_MS = 50;

export class KeyOrders {
  readonly #parts: KeyOrdersParts;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: KeyOrdersParts) {
    this.#parts = parts;
  }

  /** One step at a time. @throws ControlError `no-next-key`, `not-trusted` */
  async rotate(order: KeyOrder): Promise<RotateAnswer> {
    const rotated = this.#last.then(() => this.#rotate(order));
    this.#last = rotated.catch(() => undefined);
    return rotated;
  }

  async #rotate({ step, force, dryRun }: KeyOrder): Promise<RotateAnswer> {
    const { keys, links, acksWithinMs = ACKS_WITHIN_MS, log } = this.#parts;
    if (step !== "commit") return stepAlone(keys, step, dryRun);
    const next = requireNext(keys);
    const replicas = await this.#askAll(next.vkey);
    const missing = replicas.filter(({ trusts }) => !trusts);
    if (!dryRun) {
      if (missing.length > 0 && !force) throw notTrusted(missing, next.vkey);
      const generation = await this.#sealUnderBoth();
      // From here on a replica may forget the old key, and still know who signed what it stands on.
      if (!force) await Promise.all(links.map((link) => untilAcked(link, generation, acksWithinMs)));
      await keys.commit();
      log.warn("another key signs from now on", { key: next.vkey, without_trust_of: missing });
    }
    return { ...describeKeys(keys), step, dry_run: dryRun, changes: true, replicas };
  }

  async #askAll(vkey: string): Promise<ReplicaTrust[]> {
    const sinceMs = performance.now();
    return Promise.all(this.#parts.links.map((link) => askTrust(link, vkey, sinceMs)));
  }

  /** A generation that verifies with the key that stays, whatever comes next; 0 while there is none at all. */
  async #sealUnderBoth(): Promise<number> {
    const { keys, publisher } = this.#parts;
    const newest = publisher.newest();
    if (!newest) return 0;
    // One that is gone has a newer one in its place, of which nothing is known.
    const note = await readFile(publisher.tree(newest.generation).checkpoint, "utf8").catch(() => undefined);
    const isUnderBoth = note !== undefined && openNote(note, [requireNext(keys)]).signedBy.length > 0;
    if (isUnderBoth) return newest.generation;
    await publisher.seal({ force: true });
    return publisher.newest()?.generation ?? 0;
  }
}

async function askTrust(link: AskedLink, vkey: string, sinceMs: number): Promise<ReplicaTrust> {
  const { name: replica } = link;
  let askedMs = Number.NEGATIVE_INFINITY;
  for (;;) {
    const { told } = link;
    if (told && told.beganMs >= sinceMs) return { replica, ...judge(told.trusts, vkey) };
    const { health, reason } = link.status();
    const nowMs = performance.now();
    if (health === "paused" || nowMs - sinceMs > ANSWERS_WITHIN_MS) {
      return { replica, trusts: false, reason: `it cannot be asked, it is ${health}: ${reason}` };
    }
    if (nowMs - askedMs > ASK_EVERY_MS) {
      link.askAnew();
      askedMs = nowMs;
    }
    await sleep(LOOK_MS);
  }
}

/** @throws ControlError `not-delivered` */
async function untilAcked(link: AskedLink, generation: number, withinMs: number): Promise<void> {
  const sinceMs = performance.now();
  for (;;) {
    const { generation: acked = 0, health, reason } = link.status();
    if (acked >= generation) return;
    if (performance.now() - sinceMs > withinMs) {
      const message = `the old key stays in force: ${link.name} has not acked generation ${generation}, which both keys signed; it is ${health}: ${reason}`;
      throw new ControlError(
        "not-delivered",
        message,
        "commit again once `isochron-primary status` shows that it has it",
      );
    }
    await sleep(LOOK_MS);
  }
}

function judge(trusts: readonly string[] | undefined, vkey: string): Omit<ReplicaTrust, "replica"> {
  if (trusts?.includes(vkey)) return { trusts: true, reason: null };
  const reason = trusts
    ? "it does not trust the next key"
    : "it is of an older version, which does not say what it trusts";
  return { trusts: false, reason };
}

function notTrusted(missing: readonly ReplicaTrust[], vkey: string): ControlError {
  const why = missing.map(({ replica, reason }) => `${replica}: ${reason}`).join("; ");
  return new ControlError(
    "not-trusted",
    `the old key stays in force: ${why}`,
    `on each of them: isochron-replica trust '${vkey}'; or --force, and they refuse what comes until that is done`,
  );
}
