// Puts a default actor into what names none, as text: the line is not written anew, so that admission sees every mistake
// that is in it. A CloudEvent gets it as the attribute that sets the actor, and so does each event of a batch.

/** The line with the actor as the first member of its events, or as it was where they have one or it is no JSON. */
export function addActor(line: Buffer, actor: string): Buffer {
  const text = line.toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return line;
  }
  if (Array.isArray(value)) return Buffer.from(addToItems(text, value, actor));
  return isObject(value) ? Buffer.from(insert(text, [[text.indexOf("{"), memberFor(value, actor)]])) : line;
}

type Fields = Record<string, unknown>;

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The actor as a member, with its comma; nothing where there is one already. */
function memberFor(fields: Fields, actor: string): string {
  const name = "specversion" in fields ? "isochronactor" : "actor";
  if (name in fields) return "";
  return `"${name}":${JSON.stringify(actor)}${Object.keys(fields).length > 0 ? "," : ""}`;
}

/** `text` with each member behind the brace at its place; places rise. */
function insert(text: string, members: readonly [place: number, member: string][]): string {
  let result = "";
  let kept = 0;
  for (const [place, member] of members) {
    result += text.slice(kept, place + 1) + member;
    kept = place + 1;
  }
  return result + text.slice(kept);
}

function addToItems(text: string, items: readonly unknown[], actor: string): string {
  const braces = bracesOfItems(text);
  return insert(
    text,
    items.filter(isObject).map((item, i) => [braces[i] as number, memberFor(item, actor)]),
  );
}

/** Where the objects begin that are items of the array that `text` is. */
function bracesOfItems(text: string): number[] {
  const braces: number[] = [];
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') at = closingQuote(text, at);
    else if (character === "{" || character === "[") {
      if (character === "{" && depth === 1) braces.push(at);
      depth += 1;
    } else if (character === "}" || character === "]") depth -= 1;
  }
  return braces;
}

function closingQuote(text: string, opening: number): number {
  let at = opening + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}
