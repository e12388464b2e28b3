// What callers on the bus are told when a call fails: a name, a message and the way out, never a stack trace.

const STANDARD = "org.freedesktop.DBus.Error";
const OURS = "dev.isochron.Error";
/** Longer texts are cut: an error is for reading. */
const MOST_TEXT_CHARS = 4096;

/** A refusal with one of the bus's own error names. */
export class CallRefused extends Error {
  readonly errorName: string;
  constructor(name: StandardError, message: string) {
    super(message);
    this.name = "CallRefused";
    this.errorName = `${STANDARD}.${name}`;
  }
}

export type StandardError =
  | "AccessDenied"
  | "InvalidArgs"
  | "LimitsExceeded"
  | "PropertyReadOnly"
  | "UnknownInterface"
  | "UnknownMethod"
  | "UnknownObject"
  | "UnknownProperty";

export interface ErrorReply {
  name: string;
  text: string;
  /** Whether it is a fault of ours, that belongs in the log. */
  isFault: boolean;
}

/** Codes are kebab-case words (`bad-parameter` becomes `dev.isochron.Error.BadParameter`); any other error is a fault. */
export function describeFailure(error: unknown): ErrorReply {
  if (error instanceof CallRefused) return { name: error.errorName, text: clean(error.message), isFault: false };
  const { code, hint, message } = (error ?? {}) as { code?: unknown; hint?: unknown; message?: unknown };
  if (typeof code !== "string" || !/^[a-z]+(?:-[a-z]+)*$/.test(code) || typeof message !== "string") {
    return { name: `${OURS}.Failed`, text: "the call failed; the daemon's log says why", isFault: true };
  }
  const text = typeof hint === "string" ? `${message} (hint: ${hint})` : message;
  return { name: `${OURS}.${pascalCase(code)}`, text: clean(text), isFault: false };
}

function pascalCase(code: string): string {
  return code.replaceAll(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** D-Bus strings are UTF-8 without NUL. */
function clean(text: string): string {
  const cut = text.length > MOST_TEXT_CHARS ? `${text.slice(0, MOST_TEXT_CHARS)}…` : text;
  return cut.toWellFormed().replaceAll("\0", "\\0");
}
