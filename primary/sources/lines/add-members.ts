// Puts what a line does not name itself, the actor and the idempotency key, into it as text: the line is not written anew,
// so that admission sees every mistake that is in it. A CloudEvent gets the attribute that sets the actor, and so does each
// event of a batch; it has a key of its own.

export interface AddedMembers {
  actor?: string | undefined;
  key?: string | undefined;
}

/** The line with the members first in its events, or as it was where they have them or it is no JSON. */
export function addMembers(line: Buffer, added: AddedMembers): Buffer {
  const text = line.toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return line;
  }
  if (Array.isArray(value)) return Buffer.from(addToItems(text, value, added));
  return isObject(value) ? Buffer.from(insert(text, [[text.indexOf("{"), membersFor(value, added)]])) : line;
}

type Fields = Record<string, unknown>;

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The missing ones, each with its comma. */
function membersFor(fields: Fields, { actor, key }: AddedMembers): string {
  const isCloudEvent = "specversion" in fields;
  const wanted: [name: string, value: string | undefined][] = [
    [isCloudEvent ? "isochronactor" : "actor", actor],
    ["idempotency_key", isCloudEvent ? undefined : key],
  ];
  const missing = wanted.filter(([name, value]) => value !== undefined && !(name in fields));
  const text = missing.map(([name, value]) => `"${name}":${JSON.stringify(value)}`).join(",");
  return text !== "" && Object.keys(fields).length > 0 ? `${text},` : text;
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

function addToItems(text: string, items: readonly unknown[], { actor }: AddedMembers): string {
  const braces = bracesOfItems(text);
  return insert(
    text,
    items.filter(isObject).map((item, i) => [braces[i] as number, membersFor(item, { actor })]),
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
