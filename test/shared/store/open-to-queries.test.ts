import assert from "node:assert/strict";
import { chmod, chown, link, lstat, mkdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execa } from "execa";
import { createLogger } from "../../../shared/log.js";
import { RootLayout, type StoreLayout } from "../../../shared/store/layout.js";
import { openStoresToQueries, openStoreToQueries } from "../../../shared/store/open-to-queries.js";
import { widenModes } from "../../../shared/store/widen-modes.js";
import { ROOT, requirePart } from "../../support/require-part.js";
import { withFolder } from "../../support/with-folder.js";

const USER = { uid: 65_534, gid: 65_534 };
const OTHER = { uid: 65_533, gid: 65_533 };
const UUID = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d03";
const SPACE = "heuristic-b0d44257814d";

interface Root {
  root: string;
  stores: string;
  store: StoreLayout;
  log: string[];
  open(user: typeof USER | undefined): Promise<void>;
}

/** A root as a daemon under a narrow umask left it, with an index from before `index/queries` was. */
async function withRoot(use: (root: Root) => Promise<void>): Promise<void> {
  await withFolder(async (root) => {
    const layout = new RootLayout(root);
    const store = layout.store(UUID);
    const { dir, generations, staging, live, index } = store;
    for (const folder of [generations, staging, live.dir, join(index, SPACE), join(index, "sources")]) {
      await mkdir(folder, { recursive: true });
    }
    await mkdir(store.generation(1).dir);
    for (const name of ["catalog.db", "catalog.db-wal", "heads.db", "sources/texts.db", `${SPACE}/0.hnsw`]) {
      await writeFile(join(index, name), name);
    }
    await writeFile(store.storeFile, "{}", { mode: 0o600 });
    for (const folder of [layout.stores, dir, generations, store.generation(1).dir]) await chmod(folder, 0o700);
    const log: string[] = [];
    const logger = createLogger("info", (line) => log.push(line) > 0);
    const open = (user: typeof USER | undefined) => openStoresToQueries(root, user, logger);
    await use({ root, stores: layout.stores, store, log, open });
  });
}

async function ownerOf(path: string): Promise<number> {
  return (await lstat(path)).uid;
}

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

test("an older index is moved and given to the user as it is, and what is the daemon's stays root's", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withRoot(async ({ stores, store, open }) => {
    const before = await stat(join(store.index, "catalog.db"));
    const half = join(store.index, "queries.0123456789ab");
    await mkdir(join(half, SPACE), { recursive: true });
    await open(USER);
    await assert.rejects(lstat(half), { code: "ENOENT" }, "what a crash left of a handing over is swept");
    assert.equal(await modeOf(store.queryIndex), 0o700);
    const { ino, uid } = await stat(store.catalog);
    assert.deepEqual([ino, uid], [before.ino, USER.uid]);
    assert.equal(await readFile(join(store.segments(SPACE), "0.hnsw"), "utf8"), `${SPACE}/0.hnsw`);
    for (const path of [store.queryIndex, `${store.catalog}-wal`, store.segments(SPACE)]) {
      assert.equal(await ownerOf(path), USER.uid, path);
    }
    for (const path of [stores, store.dir, store.index, join(store.index, "heads.db"), join(store.index, "sources")]) {
      assert.equal(await ownerOf(path), 0, path);
    }
    assert.deepEqual([(await stat(stores)).gid, await modeOf(stores)], [USER.gid, 0o750]);
    for (const path of [store.dir, store.generations, store.generation(1).dir]) assert.equal(await modeOf(path), 0o755);
    for (const path of [store.staging, store.live.dir]) assert.equal(await modeOf(path), 0o700);
    assert.equal(await modeOf(store.storeFile), 0o644);
  });
});

test("only root's own files with one name are given away, and no link is followed", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withRoot(async ({ root, store, open }) => {
    const secret = join(root, "secret");
    await writeFile(secret, "secret", { mode: 0o600 });
    await open(undefined);
    await symlink(secret, join(store.queryIndex, "soft"));
    await link(secret, join(store.queryIndex, "hard"));
    await symlink(root, join(store.queryIndex, "folder"));
    await execa("mkfifo", [join(store.queryIndex, "pipe")]);
    const others = join(store.queryIndex, "others");
    await writeFile(others, "");
    await chown(others, OTHER.uid, OTHER.gid);
    await open(USER);
    assert.equal(await ownerOf(store.queryIndex), USER.uid);
    assert.deepEqual([await ownerOf(secret), await ownerOf(root)], [0, 0]);
    assert.equal(await ownerOf(join(store.queryIndex, "hard")), 0);
    assert.equal(await ownerOf(others), OTHER.uid);
  });
});

test("a folder that is the user's already is not looked into", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withRoot(async ({ store, open }) => {
    await open(USER);
    const planted = join(store.queryIndex, "planted");
    await link(store.storeFile, planted);
    await open(USER);
    assert.equal(await ownerOf(store.storeFile), 0);
  });
});

for (const [name, next] of [
  ["root again", undefined],
  ["another user", OTHER],
] as const) {
  test(`an index of a user's is thrown away, never opened, when it is to be ${name}'s`, async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    await withRoot(async ({ root, store, log, open }) => {
      await open(USER);
      const secret = join(root, "secret");
      await writeFile(secret, "secret");
      await rm(store.catalog);
      await symlink(secret, store.catalog);
      await symlink(root, join(store.queryIndex, "up"));
      await open(next);
      assert.equal(await ownerOf(store.queryIndex), next?.uid ?? 0);
      await assert.rejects(lstat(store.catalog), { code: "ENOENT" });
      assert.equal(await readFile(secret, "utf8"), "secret");
      assert.match(log.join(""), /another user's, and is built again/);
      const { stdout } = await execa("ls", [store.index]);
      assert.deepEqual(stdout.split("\n"), ["heads.db", "queries", "sources"]);
    });
  });
}

test("an index that was deleted under a running daemon is made again at the next promotion", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withRoot(async ({ store, open }) => {
    await open(USER);
    await rm(store.index, { recursive: true });
    await openStoreToQueries(
      store,
      USER,
      createLogger("error", () => true),
    );
    assert.deepEqual([await ownerOf(store.index), await ownerOf(store.queryIndex)], [0, USER.uid]);
  });
});

test("models that a narrow umask made can be read, and one that is being added is left to its command", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withRoot(async ({ root, open }) => {
    const { models } = new RootLayout(root);
    for (const folder of ["small-0123456789ab", ".adding-x"]) {
      await mkdir(join(models, folder), { recursive: true });
      await writeFile(join(models, folder, "model.onnx"), "", { mode: 0o600 });
      await chmod(join(models, folder), 0o700);
    }
    await open(USER);
    const whole = join(models, "small-0123456789ab");
    assert.deepEqual([await modeOf(whole), await modeOf(join(whole, "model.onnx"))], [0o755, 0o644]);
    assert.equal(await modeOf(join(models, ".adding-x")), 0o700);
  });
});

test("a folder above that the user may not pass through is named", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withRoot(async ({ root, log, open }) => {
    await chmod(root, 0o700);
    await open(USER);
    assert.match(log.join(""), new RegExp(`may not pass through a folder: chmod o\\+x folder=${root} mode=0700`));
  });
});

test("files that a narrow umask made are readable before they are sealed, and others are left alone", async () => {
  await withRoot(async ({ store: { live } }) => {
    await mkdir(live.entries, { recursive: true, mode: 0o700 });
    await mkdir(live.space(SPACE), { recursive: true });
    const [narrow, wide] = [live.entriesSegment(0), live.rows(SPACE, 0)];
    await writeFile(narrow, "", { mode: 0o600 });
    await writeFile(wide, "", { mode: 0o644 });
    await chmod(wide, 0o664);
    await chmod(live.timing, 0o700);
    await widenModes(live);
    assert.deepEqual(
      await Promise.all([narrow, wide, live.timing, live.entries].map(modeOf)),
      [0o644, 0o664, 0o755, 0o755],
    );
  });
});
