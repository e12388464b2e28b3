// One signal of several, for as long as one piece of work takes. Nothing is left behind on those that live on: what
// `AbortSignal.any` leaves on a signal is not freed on Node 20, two kilobytes each time.

export interface JoinedSignals {
  signals: readonly AbortSignal[];
  /** Aborts by itself after so long, with a `TimeoutError` as its reason. */
  withinMs?: number;
}

/** What `work` gives. Its signal aborts with the first of `signals`, for the same reason. */
export async function joinSignals<T>(
  { signals, withinMs }: JoinedSignals,
  work: (joined: AbortSignal) => Promise<T>,
): Promise<T> {
  const joined = new AbortController();
  const listeners = signals.map((signal) => ({ signal, onAbort: () => joined.abort(signal.reason) }));
  for (const { signal, onAbort } of listeners) {
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
  }
  const timer = withinMs === undefined ? undefined : setTimeout(() => joined.abort(timedOut(withinMs)), withinMs);
  timer?.unref();
  try {
    return await work(joined.signal);
  } finally {
    clearTimeout(timer);
    for (const { signal, onAbort } of listeners) signal.removeEventListener("abort", onAbort);
  }
}

function timedOut(ms: number): DOMException {
  return new DOMException(`not done within ${ms} ms`, "TimeoutError");
}
