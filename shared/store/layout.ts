// Where everything of a store lies on disk. No path is put together anywhere else.
import { join } from "node:path";
import { segmentName } from "../format/segment-name.js";

/** The two subvolumes of a live store and of every generation. */
export const SUBVOLUMES = ["timing", "vector"] as const;
export type Subvolume = (typeof SUBVOLUMES)[number];

/** Paths under a root: the mount point of one btrfs filesystem, which may hold several stores. */
export class RootLayout {
  readonly root: string;
  constructor(root: string) {
    this.root = root;
  }
  /**
   * 0700: it holds the events themselves, and who may read those is decided by the query socket's mode. 0750 where a
   * user of its own answers queries: its group may pass.
   */
  get stores(): string {
    return join(this.root, "stores");
  }
  /** Private keys, 0700: never inside a subvolume that is sent. */
  get keys(): string {
    return join(this.root, "keys");
  }
  /** Primary: the key that signs checkpoints. */
  get signingKey(): string {
    return join(this.keys, "signing-key.pem");
  }
  /** Primary: the key that will sign checkpoints alone; while it is there, they carry both signatures. */
  get nextSigningKey(): string {
    return join(this.keys, "signing-key.next.pem");
  }
  /** Primary: the key that logs in at replicas, in OpenSSH form; its public half is beside it with `.pub`. */
  get transportKey(): string {
    return join(this.keys, "transport-key");
  }
  get transportPublicKey(): string {
    return join(this.keys, "transport-key.pub");
  }
  /** Primary: what keys the fingerprints of secret files; made when such a file is first met. */
  get fingerprintKey(): string {
    return join(this.keys, "fingerprint-key");
  }
  /** Replica: the key that cosigns what it has verified. */
  get cosignKey(): string {
    return join(this.keys, "cosign-key.pem");
  }
  /** Sentence models, one folder each, 0755: what makes vectors and what answers questions read them. */
  get models(): string {
    return join(this.root, "models");
  }
  /** Replica: vkeys of the primaries it accepts, one a line. */
  get trustedKeys(): string {
    return join(this.root, "trusted-keys");
  }
  /** vkeys that signed once and do so no longer, one a line: kept generations are verified with them, and nothing else. */
  get retiredKeys(): string {
    return join(this.root, "retired-keys");
  }
  /** The file of a loop-mounted volume, beside the folder that it is mounted on. */
  get loopFile(): string {
    return `${this.root}.btrfs`;
  }
  /** `primary.json` or `replica.json`: who this daemon is; written once at init. */
  identity(role: "primary" | "replica"): string {
    return join(this.root, `${role}.json`);
  }
  store(uuid: string): StoreLayout {
    return new StoreLayout(join(this.stores, uuid));
  }
}

/** Paths of one store. */
export class StoreLayout {
  readonly dir: string;
  constructor(dir: string) {
    this.dir = dir;
  }
  get storeFile(): string {
    return join(this.dir, "store.json");
  }
  get live(): TreeLayout {
    return new TreeLayout(join(this.dir, "live"));
  }
  get generations(): string {
    return join(this.dir, "generations");
  }
  generation(n: number): TreeLayout {
    return new TreeLayout(join(this.generations, String(n)));
  }
  get current(): string {
    return join(this.dir, "current");
  }
  get staging(): string {
    return join(this.dir, "staging");
  }
  /** Replica: names the one folder in staging that a push may go on from. */
  get partial(): string {
    return join(this.dir, "partial.json");
  }
  get index(): string {
    return join(this.dir, "index");
  }
  /** What queries derive, and nothing else: where a user of its own answers queries, the folder is that user's. */
  get queryIndex(): string {
    return join(this.index, "queries");
  }
  get catalog(): string {
    return join(this.queryIndex, "catalog.db");
  }
  /** HNSW segments of one space. */
  segments(space: string): string {
    return join(this.queryIndex, space);
  }
  get links(): string {
    return join(this.dir, "links");
  }
  /** Primary: replicas that an operator holds. */
  get pausedLinks(): string {
    return join(this.links, "paused.json");
  }
  /** Primary: which spaces are being filled. */
  get fills(): string {
    return join(this.dir, "fills.json");
  }
  link(replicaUuid: string): string {
    return join(this.links, `${replicaUuid}.json`);
  }
  /** Primary: the generation that is on its way to a replica, when it is much. */
  sending(replicaUuid: string): string {
    return join(this.links, `${replicaUuid}.sending`);
  }
  /** Replica: the last checkpoint it verified, cosigned. The head that later pushes must be consistent with. */
  get acceptedHead(): string {
    return join(this.dir, "accepted-head");
  }
}

/** Paths inside a `timing` + `vector` pair: `live`, a generation, or an arrival in staging. */
export class TreeLayout {
  readonly dir: string;
  constructor(dir: string) {
    this.dir = dir;
  }
  subvolume(name: Subvolume): string {
    return join(this.dir, name);
  }
  get timing(): string {
    return join(this.dir, "timing");
  }
  get vector(): string {
    return join(this.dir, "vector");
  }
  get entries(): string {
    return join(this.timing, "entries");
  }
  get payloads(): string {
    return join(this.timing, "payloads");
  }
  get tree(): string {
    return join(this.timing, "tree");
  }
  get checkpoint(): string {
    return join(this.timing, "checkpoint");
  }
  /** The generation's number, recorded in `vector` as the seal entry records it in `timing`. */
  get vectorGeneration(): string {
    return join(this.vector, "generation");
  }
  entriesSegment(firstSeq: number): string {
    return join(this.entries, segmentName(firstSeq, "jsonl"));
  }
  payloadsSegment(firstSeq: number): string {
    return join(this.payloads, segmentName(firstSeq, "jsonl"));
  }
  treeLevel(level: number): string {
    return join(this.tree, `${level}.hashes`);
  }
  space(name: string): string {
    return join(this.vector, name);
  }
  spaceFile(name: string): string {
    return join(this.vector, name, "space.json");
  }
  rows(name: string, firstSeq: number): string {
    return join(this.vector, name, segmentName(firstSeq, "vec"));
  }
}
