// Waiting for a state of this process; `eventually` in drive-fleet.ts asks others.

/** Far above what anything takes on a busy machine. */
const PATIENCE_MS = 60_000;

/** Waits until `condition` holds. @throws after a minute: a test that hangs says less than one that fails */
export async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + PATIENCE_MS;
  while (!condition()) {
    if (Date.now() > deadlineMs) throw new Error(`waited in vain until ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
