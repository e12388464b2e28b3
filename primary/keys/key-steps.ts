// The steps of a rotation as they are ordered and answered, by a daemon or by the command alone.
import type { NoteSigner } from "../../shared/format/signed-note.js";
import { ControlError } from "../control/control-error.js";
import type { SigningKeys } from "./signing-keys.js";

export const KEY_STEPS = ["prepare", "commit", "abort"] as const;
export type KeyStep = (typeof KEY_STEPS)[number];

export interface KeyOrder {
  step: KeyStep;
  /** Commits though a replica does not trust the next key, or cannot be asked. */
  force: boolean;
  dryRun: boolean;
}

export interface KeyState {
  /** In force. */
  vkey: string;
  /** Prepared: checkpoints carry both signatures. */
  next: string | null;
  /** Signed once, oldest first: kept generations are verified with them. */
  retired: string[];
}

export interface RotateAnswer extends KeyState {
  step: KeyStep;
  dry_run: boolean;
  /** False where nothing was to be done. */
  changes: boolean;
  /** Of a commit: what each replica says of the next key. */
  replicas: ReplicaTrust[];
}

export interface ReplicaTrust {
  replica: string;
  trusts: boolean;
  /** Why it does not, or why nobody knows. */
  reason: string | null;
}

/** Prepare and abort need no replica, and no daemon either. @throws ControlError `no-next-key` */
export async function stepAlone(
  keys: SigningKeys,
  step: Exclude<KeyStep, "commit">,
  dryRun: boolean,
): Promise<RotateAnswer> {
  const changes = step === "abort" || keys.next === undefined;
  if (step === "abort") requireNext(keys);
  if (!dryRun) await (step === "abort" ? keys.abort() : keys.prepare());
  return { ...describeKeys(keys), step, dry_run: dryRun, changes, replicas: [] };
}

export function describeKeys({ current, next, retired }: SigningKeys): KeyState {
  return { vkey: current.vkey, next: next?.vkey ?? null, retired: retired.map(({ vkey }) => vkey) };
}

/** @throws ControlError `no-next-key` */
export function requireNext({ next }: SigningKeys): NoteSigner {
  if (next) return next;
  throw new ControlError("no-next-key", "no key was prepared", "first: isochron-primary key rotate --prepare");
}
