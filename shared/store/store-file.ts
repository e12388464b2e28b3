// `store.json`: which store this is. Written once, when the store is made; a second write is refused, because a store
// that changed its UUID or origin would be another store with the first one's history.
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { StoreError } from "./store-error.js";
import { writeFileOnce } from "./write-file.js";

const schema = z.strictObject({
  format: z.literal(1),
  uuid: z.uuid(),
  origin: z.string().min(1),
  created: z.string(),
});
export type StoreFile = z.infer<typeof schema>;

/** @throws StoreError `exists` if the file is there already */
export async function writeStoreFile(path: string, store: StoreFile): Promise<void> {
  await writeFileOnce(path, `${JSON.stringify(store, null, 2)}\n`);
}

/** @throws StoreError `missing`, `unreadable` */
export async function readStoreFile(path: string): Promise<StoreFile> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new StoreError("missing", `there is no store at ${path}`, { cause, hint: "make one with `init`" });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new StoreError("unreadable", `${path} is not JSON`, { cause });
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    throw new StoreError("unreadable", `${path}: ${z.prettifyError(parsed.error)}`, {
      hint: "a store of another format version needs the Isochron that wrote it",
    });
  }
  return parsed.data;
}

/** Of one whose first generation is still coming in there is no file yet. @throws StoreError as `readStoreFile`, if it cannot be read */
export async function readOriginIfThere(path: string): Promise<string | undefined> {
  try {
    return (await readStoreFile(path)).origin;
  } catch (error) {
    const { cause } = error as { cause?: NodeJS.ErrnoException };
    if (cause?.code === "ENOENT") return undefined;
    throw error;
  }
}
