// "Did you mean …?": the known name nearest to a mistyped one.

/** The nearest of `names` within a third of its length in edits, or `undefined`. */
export function nearestName(typed: string, names: readonly string[]): string | undefined {
  const wanted = typed
    .slice(0, 64)
    .toLowerCase()
    .replace(/[^a-z0-9]/g, "");
  let nearest: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const bare = name.replaceAll("_", "");
    // `state`, `id`, `key`: part of a name counts as near.
    const edits = wanted.length >= 4 && bare.includes(wanted) ? 1 : editDistance(wanted, bare);
    if (edits < least && edits <= Math.max(1, Math.floor(bare.length / 3))) {
      least = edits;
      nearest = name;
    }
  }
  return nearest;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
