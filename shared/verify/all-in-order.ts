// Checks that do not need each other's answers wait for the disk together; which of their failures is told does not
// depend on which came first.

/** All results. @throws the first failure in the order of the list */
export async function allInOrder<T extends readonly unknown[]>(
  checks: {
    readonly [K in keyof T]: Promise<T[K]>;
  },
): Promise<T> {
  const settled = await Promise.allSettled(checks);
  const failed = settled.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  return settled.map((result) => (result as PromiseFulfilledResult<unknown>).value) as unknown as T;
}
