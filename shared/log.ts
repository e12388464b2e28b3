// Logs: one line a record on stderr, a constant message and fields for values. Under systemd (JOURNAL_STREAM set) each
// line starts with its `<N>` priority, so that journald files it; on a terminal it starts with the time.

export type LogFields = Record<string, unknown>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

const LEVELS = { debug: 7, info: 6, warn: 4, error: 3 } as const;
export type LogLevel = keyof typeof LEVELS;

/** A logger that writes records of `level` and above through `write`. */
export function createLogger(level: LogLevel = "info", write = (line: string) => process.stderr.write(line)): Logger {
  const journal = process.env.JOURNAL_STREAM !== undefined;
  const record =
    (at: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (LEVELS[at] > LEVELS[level]) return;
      const head = journal ? `<${LEVELS[at]}>` : `${new Date().toISOString()} ${at} `;
      write(`${head}${message}${formatFields(fields)}\n`);
    };
  return { debug: record("debug"), info: record("info"), warn: record("warn"), error: record("error") };
}

/** Milliseconds of the stages of one piece of work, for its log record. */
export class StageTimes {
  readonly ms: Record<string, number> = {};

  async stage<T>(name: string, work: Promise<T>): Promise<T> {
    const began = performance.now();
    try {
      return await work;
    } finally {
      this.ms[name] = Math.round((performance.now() - began) * 10) / 10;
    }
  }
}

function formatFields(fields: LogFields): string {
  let text = "";
  for (const [key, value] of Object.entries(fields)) text += ` ${key}=${formatValue(value)}`;
  return text;
}

function formatValue(value: unknown): string {
  if (value instanceof Error) {
    const cause = value.cause instanceof Error ? ` (${value.cause.message})` : "";
    return JSON.stringify(value.message + cause);
  }
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return /^[\w./:@+-]+$/.test(text ?? "") ? text : JSON.stringify(text);
}
