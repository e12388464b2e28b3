// Names matched by a pattern in which `*` stands for any text, also none, and everything else for itself. For priority
// rules and watchers; linear in the name for each part of the pattern, whatever the two hold.

/** Whether a whole name fits `glob`. */
export function createGlob(glob: string): (name: string) => boolean {
  const parts = glob.split("*");
  const first = parts.shift() as string;
  const last = parts.pop();
  if (last === undefined) return (name) => name === glob;
  if (glob === "*") return () => true;
  return (name) => {
    if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
    const end = name.length - last.length;
    let at = first.length;
    for (const part of parts) {
      const found = name.indexOf(part, at);
      if (found < 0 || found + part.length > end) return false;
      at = found + part.length;
    }
    return true;
  };
}
