// What `verify` does once it runs: finds the generation and the keys, reads every byte of it, prints the verdict and the
// first bad place. The exit code tells the verdicts apart (verify-error.ts). What must never happen: a bad verdict on a
// generation that was only replaced meanwhile, and deleted.
import { readdir, readFile } from "node:fs/promises";
import { parseCheckpoint } from "../format/checkpoint.js";
import { countSeqs } from "../format/seq-ranges.js";
import { type NoteVerifier, openNote, parseVkey, shortKey } from "../format/signed-note.js";
import { parseTimestamp } from "../format/timestamp.js";
import { currentGeneration, listGenerations } from "../store/generations.js";
import { RootLayout, type StoreLayout, TreeLayout } from "../store/layout.js";
import { readLastLine } from "../store/read-last-line.js";
import { StoreError } from "../store/store-error.js";
import { readStoreFile } from "../store/store-file.js";
import { checkContained } from "../verify/check-contained.js";
import { MapHeads } from "../verify/map-heads.js";
import { formatPlace, VERDICT_EXIT_CODES, VerifyError } from "../verify/verify-error.js";
import { NOTHING_VERIFIED, type VerifiedGeneration, verifyGeneration } from "../verify/verify-generation.js";
import { parseDuration } from "./parse-duration.js";
import type { GlobalArguments } from "./run-commands.js";
import { visible } from "./visible.js";

/** What verify needs to know of the side it runs on. */
export interface VerifySide {
  /** The root to look in, mounted, the keys that are trusted there, and those that only earlier generations may be signed by. */
  open(args: GlobalArguments): Promise<{ root: string; keys: NoteVerifier[]; retired: NoteVerifier[] }>;
}

export interface VerifyArguments extends GlobalArguments {
  store: string | undefined;
  dir: string | undefined;
  generation: number | undefined;
  key: string[];
  element: string | undefined;
  "max-age": string | undefined;
  json: boolean;
}

/** What is to be verified, and against which keys and earlier head. */
interface Subject {
  tree: TreeLayout;
  storeUuid: string;
  keys: NoteVerifier[];
  /** Of these, keys that sign nothing new. */
  retired: readonly NoteVerifier[];
  accepted: { size: number; root: Buffer } | undefined;
  /** The current generation, where an earlier one is the subject. */
  current: TreeLayout | undefined;
  /** Whether another generation is current by now. */
  isReplaced: () => Promise<boolean>;
}

/** Generations, one after the other, where each is replaced while it is read. */
const TRIES = 3;

/** @throws StoreError when there is nothing to verify; a verdict is printed, never thrown */
export async function verifyStore(side: VerifySide, args: VerifyArguments): Promise<void> {
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const subject = await findSubject(side, args);
    const bad = await verifySubject(subject, args);
    if (!bad) return;
    if (await subject.isReplaced()) continue;
    // Before it is printed: whatever becomes of the output, the exit code is the verdict.
    process.exitCode = VERDICT_EXIT_CODES[bad.verdict];
    printBad(bad, args.json);
    return;
  }
  throw new StoreError("busy", `${TRIES} generations were replaced, each while it was verified`, {
    hint: "have some kept (`keep` in the configuration), and verify one of them by its number: --generation N",
  });
}

/** Prints that it is intact, or returns why not. */
async function verifySubject(subject: Subject, args: VerifyArguments): Promise<VerifyError | undefined> {
  const progress = args.json ? undefined : showProgress();
  try {
    const heads = new MapHeads();
    const { tree, storeUuid, keys, accepted: mustContain } = subject;
    const options = {
      tree,
      storeUuid,
      keys,
      mustContain,
      heads,
      element: args.element,
      onProgress: progress?.show,
    };
    const verified = await verifyGeneration({ ...options, from: NOTHING_VERIFIED });
    progress?.clear();
    if (subject.current) await checkContained(verified.checkpoint, subject.current);
    requireKnown(args.element, heads);
    requireFresh(verified, args["max-age"]);
    printIntact(verified, subject, args, heads);
    return undefined;
  } catch (error) {
    progress?.clear();
    if (error instanceof VerifyError) return error;
    throw error;
  }
}

async function findSubject(side: VerifySide, args: VerifyArguments): Promise<Subject> {
  const given = args.key.map(parseVkey);
  if (args.dir !== undefined) {
    const { keys, retired } = given.length > 0 ? { keys: given, retired: [] } : await side.open(args);
    const tree = new TreeLayout(args.dir);
    const storeUuid = args.store ?? (await storeOfSeal(tree));
    return { tree, storeUuid, ...NOTHING_BESIDE, keys: [...keys, ...retired], retired };
  }
  const { root, keys, retired } = await side.open(args);
  const { layout, uuid } = await findStore(root, args.store);
  const current = currentGeneration(layout);
  if (current === 0) {
    throw new StoreError("missing", `store ${uuid} has no generation yet`, { hint: "seal or push one first" });
  }
  const isReplaced = async () => currentGeneration(layout) !== current;
  const trusted = [...keys, ...given];
  if (args.generation !== undefined && args.generation !== current) {
    const tree = await findEarlier(layout, args.generation);
    const subject = { tree, storeUuid: uuid, keys: [...trusted, ...retired], retired, accepted: undefined };
    return { ...subject, current: layout.generation(current), isReplaced };
  }
  const accepted = await readAccepted(layout, trusted);
  return { tree: layout.generation(current), storeUuid: uuid, keys: trusted, ...NOTHING_BESIDE, accepted, isReplaced };
}

const NOTHING_BESIDE = { retired: [], accepted: undefined, current: undefined, isReplaced: async () => false } as const;

/** A generation that `keep` keeps, or that is a replica's base. */
async function findEarlier(store: StoreLayout, generation: number): Promise<TreeLayout> {
  const there = await listGenerations(store);
  if (there.includes(generation)) return store.generation(generation);
  throw new StoreError("missing", `generation ${generation} is not on disk`, {
    hint: `these are: ${there.join(", ")}; \`keep\` in the configuration says how many stay`,
  });
}

async function findStore(root: string, wanted: string | undefined): Promise<{ layout: StoreLayout; uuid: string }> {
  const layout = new RootLayout(root);
  const uuids = await readdir(layout.stores);
  const uuid = wanted ?? (uuids.length === 1 ? uuids[0] : undefined);
  if (uuid === undefined || !uuids.includes(uuid)) {
    const message = wanted
      ? `there is no store ${wanted} under ${root}`
      : `there are ${uuids.length} stores under ${root}`;
    throw new StoreError("missing", message, {
      hint: `choose one with --store: ${uuids.join(", ") || "there is none yet"}`,
    });
  }
  const store = layout.store(uuid);
  return { layout: store, uuid: (await readStoreFile(store.storeFile)).uuid };
}

/** The head that a replica accepted last: what stands here now must contain it. A primary has none. */
async function readAccepted(store: StoreLayout, keys: NoteVerifier[]): Promise<Subject["accepted"]> {
  const note = await readFile(store.acceptedHead, "utf8").catch(() => undefined);
  return note === undefined ? undefined : parseCheckpoint(openNote(note, keys).text);
}

/** A copy carries no store.json; its last entry, the seal, names the store. The signature binds it all the same. */
async function storeOfSeal(tree: TreeLayout): Promise<string> {
  return (
    /"element_id":"store:([0-9a-f-]{36})"/.exec(
      (await readLastLine(tree.entries).catch(() => undefined))?.toString() ?? "",
    )?.[1] ?? ""
  );
}

function requireKnown(element: string | undefined, heads: MapHeads): void {
  if (element === undefined || heads.all.has(element)) return;
  throw new StoreError("missing", `there is no element ${JSON.stringify(element)} in this store`, {
    hint: "`timeline` lists what there is",
  });
}

function requireFresh({ sealedAt }: VerifiedGeneration, maxAge: string | undefined): void {
  if (maxAge === undefined) return;
  const ageMs = Date.now() - parseTimestamp(sealedAt) / 1000;
  if (ageMs <= parseDuration(maxAge, "--max-age")) return;
  throw new VerifyError(
    "stale",
    { file: "timing/checkpoint" },
    `the last seal is of ${sealedAt}; --max-age is ${maxAge}`,
  );
}

function printIntact(
  verified: VerifiedGeneration,
  { keys, retired }: Subject,
  { element, json }: VerifyArguments,
  heads: MapHeads,
): void {
  const { checkpoint, generation, sealedAt, rows, note } = verified;
  const signedBy = openNote(note, keys).signedBy;
  const isRetired = signedBy.every((by) => retired.some((key) => shortKey(key) === shortKey(by)));
  const vectors = [...rows.values()].reduce((sum, count) => sum + count, 0);
  const late = countSeqs(verified.late);
  const head = element === undefined ? undefined : heads.head(element);
  const found = {
    verdict: "intact",
    origin: checkpoint.origin,
    generation,
    size: checkpoint.size,
    root: checkpoint.root.toString("base64"),
    sealed: sealedAt,
    signed_by: signedBy.map(shortKey),
    ...(head ? { element, height: head.height, hash: head.hash } : { vectors, late }),
  };
  if (json) {
    process.stdout.write(`${JSON.stringify(found)}\n`);
    return;
  }
  const what = head
    ? `chain of ${visible(element ?? "")}: heights 0 to ${head.height}, ends in ${head.hash}`
    : `${vectors} vector rows${late > 0 ? `; those of ${late} events are late, and come with a later generation` : ""}`;
  process.stdout.write(
    `intact: generation ${generation} of ${visible(checkpoint.origin)}\n` +
      `  ${checkpoint.size} entries under root ${found.root}, sealed ${sealedAt}\n  ${what}\n` +
      (isRetired ? `  signed by ${visible(found.signed_by.join(", "))}, which is retired\n` : ""),
  );
}

function printBad({ verdict, message, place }: VerifyError, json: boolean): void {
  if (json) process.stdout.write(`${JSON.stringify({ verdict, reason: message, ...place })}\n`);
  else process.stdout.write(`${verdict}: ${visible(message)}\n  first bad place: ${visible(formatPlace(place))}\n`);
}

function showProgress(): { show: (seq: number, size: number) => void; clear: () => void } | undefined {
  if (!process.stderr.isTTY) return undefined;
  return {
    show: (seq, size) => process.stderr.write(`\rverifying ${seq} of ${size}`),
    clear: () => process.stderr.write("\r\x1b[K"),
  };
}
