// The text of an event that a language model embeds: what it says, of what element, what happened to it, what its state
// tells besides, in plain words with everything masked that varies. The same event must give the same text on every machine
// and for ever. TEXT_VERSION is part of a space's fingerprint: any change of what is below, or of the files beside, is a
// new version, hence a new space; questions are masked by the same version.
import type { JsonValue } from "../../format/canonical-json.js";
import type { Entry } from "../../format/entry.js";
import { describeState, type Phrase } from "./describe-state.js";
import { maskText } from "./mask-text.js";

export const TEXT_VERSION = "isochron text 1";

/** Models read 128 to 384 tokens, each about four letters: what comes later would be cut off, or drown the rest. */
const MOST_CHARS = 480;
const MOST_MESSAGE_CHARS = 360;
/** Actions that only say that there is a message. */
const SILENT_ACTIONS = new Set(["logged", "log", "message", "observed"]);
/** What is false is told where little else is: most states have many such members, and they mean nothing. */
const LITTLE_TOLD = 2;
const MOST_DENIED = 4;
/** Of an event that is nothing but numbers. */
const WORDLESS = "event";

export function composeText(entry: Pick<Entry, "action" | "element_id" | "element_type">, state: JsonValue): string {
  const { messages, told, named, denied } = describeState(state);
  const message = cutText(distinct(messages).join(", "), MOST_MESSAGE_CHARS);
  const happened = nameEvent(entry, message !== "");
  const isLittle = told.length + messages.length < LITTLE_TOLD;
  const denials = isLittle ? denied.slice(0, MOST_DENIED).map((name) => `not ${name}`) : [];
  const rest = distinct([...tellNew(told, happened), ...denials, ...named]);
  const parts = [message, happened, ...rest].filter((part) => part !== "");
  return cutText(parts.join(", "), MOST_CHARS) || WORDLESS;
}

/** Type and id, each word once, and the action: `NetworkInterface`, `interface:eth0` → `network interface eth0 modified`. */
function nameEvent({ element_type, element_id, action }: ComposedEntry, hasMessage: boolean): string {
  const element = distinct(`${maskText(element_type)} ${maskText(element_id)}`.trim().split(" ")).join(" ");
  const happened = maskText(action);
  return hasMessage && SILENT_ACTIONS.has(happened) ? element : `${element} ${happened}`.trim();
}

type ComposedEntry = Pick<Entry, "action" | "element_id" | "element_type">;

/** Without values whose words the element and the action say already. */
function tellNew(told: readonly Phrase[], happened: string): string[] {
  const known = new Set(happened.split(" "));
  const isNew = ({ value }: Phrase) => value === "" || value.split(/,? /).some((word) => !known.has(word));
  return told.filter(isNew).map(({ name, value }) => `${name} ${value}`.trim());
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}

/** At most `chars` of `text`, whole words where it has any. */
function cutText(text: string, chars: number): string {
  if (text.length <= chars) return text;
  const space = text.lastIndexOf(" ", chars);
  const cut = text.slice(0, space > 0 ? space : chars);
  return (cut.endsWith(",") ? cut.slice(0, -1) : cut).toWellFormed();
}
