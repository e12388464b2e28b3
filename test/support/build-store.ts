// Builds small, valid stores in plain folders for tests and benches: entries, payloads, tree, signed checkpoint, vector
// rows and a seal for each generation, written with the format's own functions.
import { appendFile, cp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { canonicalise, type JsonValue } from "../../shared/format/canonical-json.js";
import { formatCheckpoint } from "../../shared/format/checkpoint.js";
import { formatEntry, type Priority } from "../../shared/format/entry.js";
import { GENESIS_HASH, leafHash, sha256Hex } from "../../shared/format/hash.js";
import { formatPayload } from "../../shared/format/payload.js";
import type { Dtype } from "../../shared/format/row-values.js";
import {
  SEAL_ACTION,
  SEAL_ELEMENT_TYPE,
  type Seal,
  type SealedRows,
  type SealedSpace,
  sealElementId,
  sealState,
} from "../../shared/format/seal.js";
import { rangesOf } from "../../shared/format/seq-ranges.js";
import { generateSigner, KEY_TYPE, type NoteSigner, signNote } from "../../shared/format/signed-note.js";
import { formatSpace, modelSpace, type Recipe, type Space, spaceName } from "../../shared/format/space.js";
import { formatTimestamp } from "../../shared/format/timestamp.js";
import { MerkleTree } from "../../shared/format/tree.js";
import { formatRows, type RowShape, type VectorRow } from "../../shared/format/vector-row.js";
import { RootLayout, type StoreLayout, type TreeLayout } from "../../shared/store/layout.js";
import { writeStoreFile } from "../../shared/store/store-file.js";

export interface TestEvent {
  element: string;
  type?: string;
  action?: string;
  actor?: string;
  source?: string;
  /** Microseconds since 1970; by default one second after the event before. */
  atMicros?: number;
  /** Stands in the entry as it is, instead of the time of `atMicros`. */
  timestamp?: string;
  /** Changes the payload line before it is hashed: what a primary gone wrong could seal. */
  changePayload?: (line: string) => string;
  state: JsonValue;
  reason?: string;
  priority?: Priority;
  /** Left out: the event gets no vector. */
  vector?: Float32Array;
  /** The vector comes with the next seal, and this one calls the event late. */
  late?: boolean;
  /** Stands in the vector's row instead of the event's own number. */
  vectorSeq?: number;
}

export interface BuildOptions {
  root: string;
  uuid: string;
  origin?: string;
  /** No space at all when undefined. */
  dimensions?: number;
  /** Stands for the one that `dimensions` would give. */
  space?: Space;
  /** How its rows are written, where the space itself does not say so. */
  rowShape?: RowShape;
  startMicros?: number;
}

/** Deterministic numbers in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export class StoreBuilder {
  readonly layout: StoreLayout;
  readonly uuid: string;
  readonly origin: string;
  space: Space | undefined;
  readonly signer: NoteSigner;
  #rowShape: RowShape | undefined;
  readonly #live: TreeLayout;
  readonly #tree = new MerkleTree();
  readonly #heads = new Map<string, { height: number; hash: string }>();
  #rows = 0;
  #lateRows: VectorRow[] = [];
  #atMicros: number;
  generation = 0;

  private constructor(options: BuildOptions) {
    this.uuid = options.uuid;
    this.origin = options.origin ?? "test.example/isochron";
    this.layout = new RootLayout(options.root).store(options.uuid);
    this.#live = this.layout.live;
    this.#atMicros = options.startMicros ?? Date.UTC(2026, 10, 20) * 1000;
    this.signer = generateSigner(this.origin, KEY_TYPE.ed25519);
    this.space = options.space ?? (options.dimensions === undefined ? undefined : testSpace(options.dimensions));
    this.#rowShape = options.rowShape ?? this.space;
  }

  static async create(options: BuildOptions): Promise<StoreBuilder> {
    const builder = new StoreBuilder(options);
    const { entries, payloads, tree, vector } = builder.#live;
    for (const dir of [entries, payloads, tree, vector, builder.layout.generations])
      await mkdir(dir, { recursive: true });
    await writeStoreFile(builder.layout.storeFile, {
      format: 1,
      uuid: builder.uuid,
      origin: builder.origin,
      created: "2026-11-20T00:00:00.000000Z",
    });
    if (builder.space) await builder.#makeSpace(builder.space);
    return builder;
  }

  /** Later rows are of this space. None may be late. */
  async goOnIn(space: Space): Promise<void> {
    this.space = space;
    this.#rowShape = space;
    this.#rows = 0;
    await this.#makeSpace(space);
  }

  /** Entries written so far, seals included. */
  get size(): number {
    return this.#tree.size;
  }

  /**
   * Appends events, seals them, and makes the generation current. Rows that were late in the seal before are added first.
   * `change` makes of the honest seal another one.
   */
  async seal(
    events: readonly TestEvent[],
    change: (seal: Seal) => Seal = (seal) => seal,
  ): Promise<{ generation: number; size: number }> {
    const rows = this.#lateRows.splice(0);
    const lines = new LineBuffer();
    for (const event of events) {
      const seq = this.#append(event, lines);
      const to = event.late ? this.#lateRows : rows;
      if (event.vector) to.push({ seq: event.vectorSeq ?? seq, vector: event.vector });
    }
    const added = await this.#appendRows(rows);
    this.generation += 1;
    const spaces = this.space && added ? [sealedSpace(this.space, added)] : [];
    const late = rangesOf(this.#lateRows.map(({ seq }) => seq));
    const honest = { generation: this.generation, spaces, ...(late.length > 0 ? { late } : {}) };
    const state = sealState(change(honest));
    this.#append(
      { element: sealElementId(this.uuid), type: SEAL_ELEMENT_TYPE, action: SEAL_ACTION, actor: "isochron", state },
      lines,
    );
    await lines.write(this.#live);
    await this.#publish();
    return { generation: this.generation, size: this.size };
  }

  async #makeSpace(space: Space): Promise<void> {
    await mkdir(this.#live.space(spaceName(space)));
    await writeFile(this.#live.spaceFile(spaceName(space)), formatSpace(space));
  }

  #append(event: TestEvent, lines: LineBuffer): number {
    const seq = this.#tree.size;
    const head = this.#heads.get(event.element);
    this.#atMicros = event.atMicros ?? this.#atMicros + 1_000_000;
    const asMade = formatPayload(
      { reason: event.reason, stateJson: canonicalise(event.state) },
      sha256Hex(`salt ${seq}`).slice(0, 32),
      seq,
    );
    const payload = event.changePayload?.(asMade) ?? asMade;
    const entry = formatEntry({
      action: event.action ?? "modified",
      actor: event.actor ?? "admin",
      element_id: event.element,
      element_type: event.type ?? "NetworkInterface",
      height: head ? head.height + 1 : 0,
      payload_hash: sha256Hex(payload),
      previous_event_hash: head?.hash ?? GENESIS_HASH,
      priority: event.priority ?? "medium",
      recorded: formatTimestamp(this.#atMicros),
      seq,
      source: event.source ?? "test",
      timestamp: event.timestamp ?? formatTimestamp(this.#atMicros),
    });
    const leaf = leafHash(Buffer.from(entry));
    this.#tree.append(leaf, (level, hash) => lines.hash(level, hash));
    this.#heads.set(event.element, { height: head ? head.height + 1 : 0, hash: leaf.toString("hex") });
    lines.entries.push(entry);
    lines.payloads.push(payload);
    return seq;
  }

  async #appendRows(rows: readonly VectorRow[]): Promise<SealedRows | undefined> {
    if (!this.space || !this.#rowShape || rows.length === 0) return undefined;
    const path = this.#live.rows(spaceName(this.space), 0);
    const bytes = formatRows(rows, this.#rowShape);
    await appendFile(path, bytes);
    const first = this.#rows;
    this.#rows += rows.length;
    return { file: "00000000000000000000.vec", first, rows: rows.length, sha256: sha256Hex(bytes) };
  }

  async #publish(): Promise<void> {
    const note = signNote(
      formatCheckpoint({ origin: this.origin, size: this.size, root: this.#tree.root() }),
      this.signer,
    );
    await writeFile(this.#live.checkpoint, note);
    await writeFile(this.#live.vectorGeneration, `${this.generation}\n`);
    const sealed = this.layout.generation(this.generation);
    await cp(this.#live.dir, sealed.dir, { recursive: true });
    await rm(this.layout.current, { force: true });
    await symlink(join("generations", String(this.generation)), this.layout.current);
  }
}

function sealedSpace(space: Space, added: SealedRows): SealedSpace {
  return { space: spaceName(space), definition: sha256Hex(formatSpace(space)), added: [added] };
}

class LineBuffer {
  readonly entries: string[] = [];
  readonly payloads: string[] = [];
  readonly #hashes = new Map<number, Buffer[]>();

  hash(level: number, hash: Buffer): void {
    const hashes = this.#hashes.get(level) ?? [];
    hashes.push(Buffer.from(hash));
    this.#hashes.set(level, hashes);
  }

  async write(live: TreeLayout): Promise<void> {
    await appendFile(live.entriesSegment(0), this.entries.map((line) => `${line}\n`).join(""));
    await appendFile(live.payloadsSegment(0), this.payloads.map((line) => `${line}\n`).join(""));
    for (const [level, hashes] of this.#hashes) await appendFile(live.treeLevel(level), Buffer.concat(hashes));
  }
}

/** A space of format 1, or with `dtype` one of format 2. */
export function testSpace(dimensions: number, dtype?: Dtype): Space {
  if (dtype !== undefined) return modelSpace({ name: "Test-Model", recipe: testRecipe(), dimensions }, dtype);
  return {
    format: 1,
    model: "heuristic",
    fingerprint: sha256Hex(`test space of ${dimensions}`),
    dimensions,
    dtype: "f32",
    metric: "cosine",
    normalised: true,
  };
}

export function testRecipe(): Recipe {
  const hashes = { model_sha256: sha256Hex("test model"), tokenizer_sha256: sha256Hex("test tokenizer") };
  return { ...hashes, weights: "fp32", pooling: "mean", max_tokens: 128, text: "test 1" };
}

/** A vector of length 1 near the centre that `group` names. */
export function groupVector(dimensions: number, group: number, random: () => number, noise = 0.3): Float32Array {
  const centre = seededRandom(group + 1);
  const vector = Float32Array.from({ length: dimensions }, () => centre() - 0.5 + noise * (random() - 0.5));
  return unitVector(vector);
}

export function unitVector(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

/** `count` events over `elements` elements, with vectors that are alike within an element. */
export function someEvents(count: number, elements: number, dimensions: number | undefined, seed = 1): TestEvent[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, i) => {
    const number = i % elements;
    const event: TestEvent = {
      element: `interface:eth${number}`,
      action: i < elements ? "created" : "modified",
      actor: i % 3 === 0 ? "admin" : "dhcp",
      state: {
        mtu: 1400 + (i % 7),
        name: `eth${number}`,
        address: { v4: `10.0.${number}.${i % 250}` },
        up: i % 5 !== 0,
      },
      reason: `change number ${i}`,
    };
    return dimensions === undefined ? event : { ...event, vector: groupVector(dimensions, number, random) };
  });
}

/** Flips one byte of a file. */
export async function flipByte(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at] = (bytes[at] as number) ^ 0x01;
  await writeFile(path, bytes);
}
