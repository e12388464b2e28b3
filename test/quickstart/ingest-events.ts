// Events that come as JSON lines: a few that show what admission does, and, where there is no dpkg.log, the files of /etc.
import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Session } from "./make-session.js";
import { say, showCommand, showOutput } from "./print-story.js";
import { waitForSeal } from "./wait-for-stage.js";

const LINES = [
  {
    element_id: "interface:eth0",
    element_type: "NetworkInterface",
    action: "config_changed",
    actor: "admin",
    state_snapshot: { mtu: 9000, up: true },
    reason: "jumbo frames for the backup network",
  },
  { element_id: "interface:eth0", action: "config_changed" },
  {
    element_id: "account:deploy",
    element_type: "Account",
    action: "security_breach",
    state_snapshot: { logins: 3, password: "hunter2" },
  },
];

/** Sends three lines, of which one is refused. Returns the sequence number of the one that holds a password. */
export async function ingestSomeLines(session: Session): Promise<number> {
  const file = join(session.folder, "events.jsonl");
  const text = LINES.map((line) => `${JSON.stringify(line)}\n`).join("");
  await writeFile(file, text);
  showCommand(["cat", file]);
  showOutput(text);
  const options = { input: text, exitCode: 2, shown: /^(\{|\d)/, before: ["cat", file, "|"] };
  const { stdout } = await session.run("primary", ["ingest", "-", "--json"], options);
  say("Exit code 2: some lines were refused. The others are kept, and were acked after the fsync.");
  const acks = stdout.split("\n").map((line) => JSON.parse(line) as { line: number; seq?: number });
  const seq = acks.find(({ line }) => line === 3)?.seq ?? -1;
  await waitForSeal(session, seq);
  return seq;
}

const MOST_FILES = 1000;

export async function ingestFilesOfEtc(session: Session): Promise<void> {
  say("There is no dpkg.log with packages in it on this machine: the files of /etc serve instead.");
  const lines: string[] = [];
  for (const entry of await readdir("/etc", { recursive: true, withFileTypes: true })) {
    if (lines.length >= MOST_FILES) break;
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const { size, mode, mtime, uid } = await stat(path);
    const state_snapshot = { path, bytes: size, mode: (mode & 0o7777).toString(8), owner: uid };
    const event = { element_id: `file:${path}`, element_type: "File", action: "modified", actor: "unknown" };
    lines.push(JSON.stringify({ ...event, timestamp: mtime.toISOString(), state_snapshot }));
  }
  const file = join(session.folder, "etc.jsonl");
  await writeFile(file, `${lines.join("\n")}\n`);
  await session.primary("ingest", file);
}
