// Kinds of option that both daemons' configurations are made of.
import { isAbsolute, join, resolve } from "node:path";
import { z } from "zod";
import { readDuration } from "../cli/parse-duration.js";
import { formatRate, parseRate, RATE_UNITS } from "./parse-rate.js";
import { parseSize } from "./parse-size.js";

/** Bytes, written as a number or as `64MiB`. */
export function size(leastBytes: number, mostBytes = Number.MAX_SAFE_INTEGER) {
  return z.union([z.number(), z.string()]).transform((value, context) => {
    const bytes = typeof value === "number" ? value : parseSize(value);
    if (bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= leastBytes && bytes <= mostBytes) return bytes;
    const most = mostBytes < Number.MAX_SAFE_INTEGER ? ` and at most ${mostBytes}` : "";
    context.addIssue({
      code: "custom",
      message: `must be a size of at least ${leastBytes}${most} bytes, such as 16MiB`,
    });
    return z.NEVER;
  });
}

/** Milliseconds, written like `90s`. A bare number is refused: nobody could tell of what it is. */
export function duration(least: string, most: string) {
  const message = `must be a duration from ${least} to ${most}, such as 90s, 15min, 2h, 1d or 1w`;
  const [leastMs, mostMs] = [readDuration(least) ?? 0, readDuration(most) ?? Number.MAX_SAFE_INTEGER];
  return z.string(message).transform((text, context) => {
    const ms = Math.round(readDuration(text) ?? Number.NaN);
    if (ms >= leastMs && ms <= mostMs) return ms;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
}

/** Bits a second, written as `20 Mbit/s`. A number alone is refused: bits and bytes are eight times apart. */
export function rate(leastBps: number) {
  return z.union([z.number(), z.string()]).transform((value, context) => {
    const bitsPerSecond = typeof value === "string" ? parseRate(value) : undefined;
    if (bitsPerSecond !== undefined && bitsPerSecond >= leastBps) return bitsPerSecond;
    context.addIssue({
      code: "custom",
      message: `must be a rate of at least ${formatRate(leastBps)}, such as "20 Mbit/s"; units: ${RATE_UNITS}`,
    });
    return z.NEVER;
  });
}

export function wholeNumber(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`;
  return z.number(message).int(message).min(least, message).max(most, message);
}

/** The path of a file or folder. */
export function absolutePath() {
  // Resolved, because the loop file's name is the root's with a suffix: a slash at the end would put it inside.
  return z
    .string("must be a path")
    .refine(isAbsolute, "must be an absolute path")
    .overwrite((path) => resolve(path));
}

export const logLevel = () =>
  z
    .enum(["debug", "info", "warn", "error"], "must be debug, info, warn or error")
    .default("info")
    .describe("Least level of log record that is written. `debug` writes a line for every push.");

const MAX_SOCKET_PATH_BYTES = 107;

/**
 * Adds an issue on `run_dir` if the path of a socket in it would be longer than a Unix socket's may be (unix(7)): the
 * kernel would cut it off.
 */
export function checkSocketPaths(runDir: string, names: readonly string[], context: z.RefinementCtx): void {
  const tooLong = names
    .map((name) => join(runDir, name))
    .find((path) => Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES);
  if (tooLong === undefined) return;
  context.addIssue({
    code: "custom",
    path: ["run_dir"],
    input: runDir,
    message: `the socket ${tooLong} would be ${Buffer.byteLength(tooLong)} bytes long, and at most ${MAX_SOCKET_PATH_BYTES} are possible; choose a shorter run_dir, such as /run/isochron`,
  });
}
