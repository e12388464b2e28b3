// A copy of what the replica holds, with one character of one payload changed as someone would who wants to hide a change;
// `verify` must name the place. The store itself is only read.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { RootLayout, TreeLayout } from "../../shared/store/layout.js";
import type { Session } from "./make-session.js";
import { say, showCommand } from "./print-story.js";
import { readStoreUuid } from "./read-store-uuid.js";

export async function tamperWithCopy(session: Session): Promise<void> {
  const root = session.root("replica");
  const { current } = new RootLayout(root).store(await readStoreUuid(root));
  const copy = join(session.folder, "copy");
  await runShown("cp", "-r", `${current}/.`, copy);
  const { file, offset, from, to } = await findCharacter(new TreeLayout(copy), session.element);
  say(`In the newest payload of ${session.element}, "${from}" becomes "${to}":`);
  showCommand(["printf", to, "|", "dd", `of=${file}`, "bs=1", `seek=${offset}`, "conv=notrunc"]);
  await execa("dd", [`of=${file}`, "bs=1", `seek=${offset}`, "conv=notrunc", "status=none"], { input: to });
  await session.run("replica", ["verify", "--dir", copy], { exitCode: 3 });
  say("Exit code 3: tampered. The store itself has not changed:");
  await session.replicaLines(/^intact/, "verify");
}

interface Character {
  file: string;
  offset: number;
  from: string;
  to: string;
}

/** A letter or digit near the end of the element's newest payload line. */
async function findCharacter(tree: TreeLayout, elementId: string): Promise<Character> {
  const entries = (await readFile(tree.entriesSegment(0), "utf8")).split("\n");
  const seq = entries.findLastIndex((line) => line.includes(`"element_id":${JSON.stringify(elementId)},`));
  const file = tree.payloadsSegment(0);
  const payloads = (await readFile(file, "utf8")).split("\n");
  const line = payloads[seq] as string;
  const at = line.search(/[A-Za-z0-9][^A-Za-z0-9]*$/);
  const before = `${payloads.slice(0, seq).join("\n")}\n`;
  const offset = (seq === 0 ? 0 : Buffer.byteLength(before)) + Buffer.byteLength(line.slice(0, at));
  const from = line[at] as string;
  return { file, offset, from, to: from === "1" ? "2" : "1" };
}

async function runShown(...words: [string, ...string[]]): Promise<void> {
  showCommand(words);
  const [program, ...args] = words;
  await execa(program, args, { stdin: "ignore" });
}
