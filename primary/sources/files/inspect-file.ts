// One file as it is now: what is recorded of it, and its text if a diff may be made of it. Sockets, pipes and devices are
// never opened, links never followed. What changes while it is read is read again, so that a state is of one moment.
import type { BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import type { JsonObject } from "../watch/element-change.js";
import type { Fingerprint } from "./fingerprint-key.js";
import type { OpenFolder } from "./open-folder.js";
import type { OwnerNames } from "./owner-names.js";
import { elementIdOf, isCut, joinPath, readablePath } from "./raw-path.js";
import { readContent } from "./read-content.js";
import type { RedactConfigText } from "./redact-config-text.js";

export interface InspectRules {
  maxHashBytes: number;
  /** Larger texts are not kept for diffs. */
  maxDiffBytes: number;
  isSecret(path: string): boolean;
  redact: RedactConfigText;
  fingerprint: Fingerprint;
  owners: OwnerNames;
}

export interface InspectedFile {
  state: JsonObject;
  /** Redacted text, or why there is none. Undefined for what has no content. */
  text: FileText | undefined;
  /** Tells by a stat alone whether it may have changed. Empty: it must be looked at again. */
  version: string;
  /** It changed each time it was read: the state is of bytes that may never have stood together. */
  stillChanging: boolean;
}

export type FileText = { text: string } | { leftOut: "secret" | "binary" | "too large" | "not readable" };

const TRIES = 3;
/** Text is looked through for secrets up to here, also where no diff is made of it. */
const MAX_TEXT_BYTES = 256 * 1024;
/** A change within a tick of the kernel's clock leaves the times as they are. */
const CLOCK_TICK_MS = 100;

/** Undefined: it is not there. @throws what open(2) does not like */
export async function inspectFile(
  folder: OpenFolder,
  name: string,
  rules: InspectRules,
): Promise<InspectedFile | undefined> {
  for (let left = TRIES - 1; ; left -= 1) {
    const held = await folder.hold(name);
    if (!held) return undefined;
    try {
      const inspected = await inspectHeld(held, folder, name, rules);
      if (inspected && (!inspected.stillChanging || left === 0)) return inspected;
    } finally {
      await held.close();
    }
    if (left === 0) throw Object.assign(new Error("it is replaced again and again"), { code: "EAGAIN" });
  }
}

/** Tells files apart that a stat can tell apart. Folders change with their content, and only their owners and mode count. */
export function versionOf(stats: BigIntStats): string {
  const { dev, ino, mode, uid, gid } = stats;
  const common = `${dev} ${ino} ${mode} ${uid} ${gid}`;
  return stats.isDirectory() ? common : `${common} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
}

async function inspectHeld(
  held: FileHandle,
  folder: OpenFolder,
  name: string,
  rules: InspectRules,
): Promise<InspectedFile | undefined> {
  const path = joinPath(folder.path, name);
  const stats = await held.stat({ bigint: true });
  const base = { ...describeStats(stats, rules.owners), ...describeLongPath(path) };
  const version = isSettled(stats) ? versionOf(stats) : "";
  const plain = { text: undefined, version, stillChanging: false };
  if (stats.isSymbolicLink()) {
    const target = await folder.linkTarget(name);
    return target === undefined ? undefined : { ...plain, state: { ...base, target: readablePath(target) } };
  }
  if (!stats.isFile()) return { ...plain, state: base };
  const content = await describeContent(held, path, stats, rules);
  const after = await held.stat({ bigint: true });
  const stillChanging = versionOf(after) !== versionOf(stats);
  return {
    state: { ...base, ...content.state },
    text: content.text,
    version: stillChanging ? "" : version,
    stillChanging,
  };
}

const KINDS = [
  ["isFile", "file"],
  ["isDirectory", "folder"],
  ["isSymbolicLink", "link"],
  ["isFIFO", "pipe"],
  ["isSocket", "socket"],
  ["isBlockDevice", "block device"],
  ["isCharacterDevice", "character device"],
] as const;

function describeStats(stats: BigIntStats, owners: OwnerNames): JsonObject {
  const kind = KINDS.find(([is]) => stats[is]())?.[1] ?? "unknown";
  const owned = { kind, owner: owners.user(Number(stats.uid)), group: owners.group(Number(stats.gid)) };
  // A link's mode says nothing.
  return kind === "link" ? owned : { ...owned, mode: (Number(stats.mode) & 0o7777).toString(8).padStart(4, "0") };
}

/** The whole path, where the element's id has it cut. */
function describeLongPath(path: string): JsonObject {
  return isCut(elementIdOf(path)) ? { path: readablePath(path) } : {};
}

async function describeContent(
  held: FileHandle,
  path: string,
  stats: BigIntStats,
  rules: InspectRules,
): Promise<{ state: JsonObject; text: FileText }> {
  const { maxHashBytes, maxDiffBytes } = rules;
  const content = await readContent(held, { maxHashBytes, maxTextBytes: Math.max(maxDiffBytes, MAX_TEXT_BYTES) });
  if (content.kind !== "hashed") {
    const modified_at = new Date(Number(stats.mtimeMs)).toISOString();
    const state = { size_bytes: Number(stats.size), modified_at, hash_left_out: content.kind };
    return { state, text: { leftOut: content.kind } };
  }
  const { sizeBytes, sha256, text } = content;
  const size_bytes = sizeBytes;
  if (rules.isSecret(path)) {
    return { state: { size_bytes, fingerprint: rules.fingerprint(sha256) }, text: { leftOut: "secret" } };
  }
  if (text === "binary" || text === "too large") {
    return { state: { size_bytes, sha256: sha256.toString("hex") }, text: { leftOut: text } };
  }
  const redacted = rules.redact(text);
  // A hash of known text around a short password would give the password away.
  const digest = redacted === text ? { sha256: sha256.toString("hex") } : { fingerprint: rules.fingerprint(sha256) };
  return {
    state: { size_bytes, ...digest },
    text: sizeBytes > maxDiffBytes ? { leftOut: "too large" } : { text: redacted },
  };
}

function isSettled({ ctimeMs }: BigIntStats): boolean {
  return Date.now() - Number(ctimeMs) > CLOCK_TICK_MS;
}
