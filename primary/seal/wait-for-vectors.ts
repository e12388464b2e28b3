// How long a seal waits for vectors while the ledger still takes events, before it holds the ledger for the rest. A formula's
// backlog is gone in moments; a model may need minutes for many new texts, and a ledger held for so long would stop all
// sources. So it is held only once what is missing can be made soon, by the pace at which vectors came until then.
import { joinSignals } from "../../shared/join-signals.js";

export interface WaitedVectors {
  /** Resolves when every event below `uptoSeq` has its vector; rejects when the signal is aborted. */
  drained(uptoSeq: number, signal: AbortSignal): Promise<void>;
  /** Events without their vector. */
  backlog(): number;
}

export interface WaitParts {
  ledger: { readonly size: number };
  vectors: WaitedVectors;
  /** Ends the waiting: the seal is made without the vectors that are late. */
  hurry: AbortSignal;
  /** The daemon stops. */
  signal: AbortSignal;
}

export interface WaitLimits {
  /** One look at the pace. */
  lookMs: number;
  /** What may be left to make when the ledger is held. */
  mostHeldMs: number;
  /** Past it the ledger is held whatever is left: that is what lets vectors catch up with sources that never rest. */
  mostMs: number;
}

const LIMITS: WaitLimits = { lookMs: 2_000, mostHeldMs: 3_000, mostMs: 60_000 };

/** @throws the stop's reason */
export async function waitForVectors(parts: WaitParts, limits: WaitLimits = LIMITS): Promise<void> {
  const { ledger, vectors, hurry, signal } = parts;
  const endMs = performance.now() + limits.mostMs;
  for (;;) {
    const before = { size: ledger.size, backlog: vectors.backlog(), ms: performance.now() };
    if (await isDrained(parts, limits.lookMs)) return;
    signal.throwIfAborted();
    if (hurry.aborted || performance.now() >= endMs) return;
    const made = before.backlog + (ledger.size - before.size) - vectors.backlog();
    const msForEach = (performance.now() - before.ms) / Math.max(0, made);
    if (vectors.backlog() * msForEach <= limits.mostHeldMs) return;
  }
}

/** Of what is in the ledger now, within `ms`. */
function isDrained({ ledger, vectors, hurry, signal }: WaitParts, ms: number): Promise<boolean> {
  return joinSignals({ signals: [hurry], withinMs: ms }, async (enough) => {
    try {
      await joinSignals({ signals: [signal, enough] }, (either) => vectors.drained(ledger.size, either));
      return true;
    } catch (error) {
      if (!enough.aborted) throw error;
      return false;
    }
  });
}
