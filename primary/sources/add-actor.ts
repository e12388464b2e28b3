// Puts a default actor into a line that names none, as text: the line is not written anew, so that admission sees every
// mistake that is in it.

/** The line with `"actor"` as its first member, or as it was when it has one or is no JSON object. */
export function addActor(line: Buffer, actor: string): Buffer {
  const text = line.toString("utf8");
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    return line;
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields) || "actor" in fields) return line;
  const brace = text.indexOf("{") + 1;
  const comma = Object.keys(fields).length > 0 ? "," : "";
  return Buffer.from(`${text.slice(0, brace)}"actor":${JSON.stringify(actor)}${comma}${text.slice(brace)}`);
}
