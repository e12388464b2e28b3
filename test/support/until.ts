// Waiting for a state of this process; `eventually` asks others.

/** Waits until `condition` holds. @throws after a minute, or as long as is said: a test that hangs says less than one that fails */
export async function until(condition: () => boolean, { minutes = 1 }: { minutes?: number } = {}): Promise<void> {
  const deadlineMs = performance.now() + minutes * 60_000;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`waited in vain until ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
