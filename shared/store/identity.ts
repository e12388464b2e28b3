// `primary.json` and `replica.json`: who a daemon is. Written once and last, so that a root with an identity is whole.
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { KEY_TYPE, type NoteSigner } from "../format/signed-note.js";
import { readSigner } from "./key-files.js";
import { RootLayout } from "./layout.js";
import { StoreError } from "./store-error.js";
import { writeFileOnce } from "./write-file.js";

const primarySchema = z.strictObject({
  role: z.literal("primary"),
  /** The store's UUID: a primary has one store. */
  uuid: z.uuid(),
  origin: z.string().min(1),
  created: z.string(),
});
const replicaSchema = z.strictObject({
  role: z.literal("replica"),
  uuid: z.uuid(),
  name: z.string().min(1),
  created: z.string(),
});

export type PrimaryRecord = z.infer<typeof primarySchema>;
export type ReplicaRecord = z.infer<typeof replicaSchema>;
export type PrimaryIdentity = PrimaryRecord & { signer: NoteSigner };
export type ReplicaIdentity = ReplicaRecord & { signer: NoteSigner };

/** @throws StoreError `missing` (never initialised), `unreadable` */
export async function loadPrimaryIdentity(root: string): Promise<PrimaryIdentity> {
  const record = await readRecord(root, "primary", primarySchema);
  return {
    ...record,
    signer: await readSigner(new RootLayout(root).signingKey, record.origin, KEY_TYPE.ed25519),
  };
}

/** @throws StoreError `missing` (never initialised), `unreadable` */
export async function loadReplicaIdentity(root: string): Promise<ReplicaIdentity> {
  const record = await readRecord(root, "replica", replicaSchema);
  return { ...record, signer: await readSigner(new RootLayout(root).cosignKey, record.name, KEY_TYPE.cosignature) };
}

/** @throws StoreError `exists` */
export async function writeIdentity(root: string, record: PrimaryRecord | ReplicaRecord): Promise<void> {
  await writeFileOnce(new RootLayout(root).identity(record.role), `${JSON.stringify(record, null, 2)}\n`);
}

/** @throws StoreError `exists` if `root` holds a primary or a replica already */
export async function refuseSecondInit(root: string): Promise<void> {
  for (const role of ["primary", "replica"] as const) {
    const path = new RootLayout(root).identity(role);
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text === undefined) continue;
    throw new StoreError("exists", `${root} is a ${role} already (${path}); nothing was changed`, {
      hint: "choose another --root, or see who it is with the `key` command",
    });
  }
}

async function readRecord<T>(root: string, role: "primary" | "replica", schema: z.ZodType<T>): Promise<T> {
  const path = new RootLayout(root).identity(role);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new StoreError("missing", `${root} is no ${role}: there is no ${path}`, {
      cause,
      hint: `make one with \`isochron-${role} init --root ${root}\`; if it lies on a volume, is that mounted?`,
    });
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : "is not JSON";
    throw new StoreError("unreadable", `${path}: ${reason}`, { cause });
  }
}
