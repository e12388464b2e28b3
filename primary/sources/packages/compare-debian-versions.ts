// Order of Debian package versions (deb-version(7)): epoch, upstream version, revision; digits as numbers, `~` before
// everything, letters before other signs. It tells an upgrade from a downgrade.

/** Negative when `a` is the older version, 0 when they are the same, positive when it is the newer. */
export function compareDebianVersions(a: string, b: string): number {
  const [left, right] = [split(a), split(b)];
  return (
    Number(left.epoch) - Number(right.epoch) ||
    compareParts(left.upstream, right.upstream) ||
    compareParts(left.revision, right.revision)
  );
}

function split(version: string): { epoch: string; upstream: string; revision: string } {
  const [, epoch = "0", rest = ""] = /^(?:(\d+):)?(.*)$/s.exec(version) ?? [];
  const dash = rest.lastIndexOf("-");
  return dash < 0
    ? { epoch, upstream: rest, revision: "" }
    : { epoch, upstream: rest.slice(0, dash), revision: rest.slice(dash + 1) };
}

/** Alternates between a run of non-digits and a run of digits, as dpkg does. */
function compareParts(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while (isOther(a[i]) || isOther(b[j])) {
      const difference = weight(a[i]) - weight(b[j]);
      if (difference !== 0) return difference;
      i += 1;
      j += 1;
    }
    const left = /^\d*/.exec(a.slice(i))?.[0] ?? "";
    const right = /^\d*/.exec(b.slice(j))?.[0] ?? "";
    const difference = BigInt(left || "0") - BigInt(right || "0");
    if (difference !== 0n) return difference < 0n ? -1 : 1;
    i += left.length;
    j += right.length;
  }
  return 0;
}

function isOther(character: string | undefined): boolean {
  return character !== undefined && !/\d/.test(character);
}

function weight(character: string | undefined): number {
  if (character === "~") return -1;
  if (character === undefined || /\d/.test(character)) return 0;
  return /[a-zA-Z]/.test(character) ? character.charCodeAt(0) : character.charCodeAt(0) + 256;
}
