import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { appendFileSync, closeSync, fsyncSync, openSync, rmSync, symlinkSync, writeFileSync, writeSync } from "node:fs";
import { chmod, chown, link, mkdir, rename, rm, rmdir, symlink, utimes } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { execa } from "execa";
import { ROOT, requirePart } from "../../../support/require-part.js";
import { until } from "../../../support/until.js";
import { type Told, withFilesSource } from "./with-files-source.js";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const short = ({ path, action }: Told) => `${action} ${path}`;

test("a file's whole life is told: created, modified, deleted, with its state and a diff each time", async () => {
  await withFilesSource(async ({ folder, heard }) => {
    const path = join(folder, "hosts");
    writeFileSync(path, "127.0.0.1 localhost\n", { mode: 0o640 });
    const created = await heard("hosts", "created");
    const owned = { kind: "file", owner: created.state.owner, group: created.state.group, mode: "0640" };
    const first = "127.0.0.1 localhost\n";
    assert.deepEqual(created.state, { ...owned, size_bytes: 20, sha256: sha256(first) });
    assert.equal(created.change.diff, `--- /dev/null\n+++ ${path}\n@@ -0,0 +1,1 @@\n+127.0.0.1 localhost\n`);
    writeFileSync(path, `${first}10.0.0.1 db\n`);
    const modified = await heard("hosts", "modified");
    assert.equal(modified.state.sha256, sha256(`${first}10.0.0.1 db\n`));
    assert.match(String(modified.change.diff), /\n 127\.0\.0\.1 localhost\n\+10\.0\.0\.1 db\n$/);
    await rm(path);
    const deleted = await heard("hosts", "deleted");
    assert.deepEqual(deleted.state, {});
    assert.match(String(deleted.change.diff), /\+\+\+ \/dev\/null\n(?:.*\n)*-10\.0\.0\.1 db\n$/);
  });
});

test("what is there at the first start ever is observed, without diffs; mode and owner of folders count too", async () => {
  await withFilesSource(
    async ({ folder, told, heard }) => {
      assert.deepEqual(told().map(short).sort(), ["observed .", "observed conf.d", "observed conf.d/a"]);
      assert.deepEqual(
        told().filter(({ change }) => Object.keys(change).length > 0),
        [],
      );
      await chmod(join(folder, "conf.d"), 0o777);
      assert.equal((await heard("conf.d", "modified")).state.mode, "0777");
      await chmod(join(folder, "conf.d/a"), 0o4755);
      const { state, change } = await heard("conf.d/a", "modified");
      assert.deepEqual([state.mode, change], ["4755", {}]);
    },
    {
      prepare: async (folder) => {
        await mkdir(join(folder, "conf.d"));
        writeFileSync(join(folder, "conf.d/a"), "x");
      },
    },
  );
});

test("owner and group are told by name, and by number where there is none", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withFilesSource(async ({ folder, heard }) => {
    writeFileSync(join(folder, "a"), "");
    await heard("a", "created");
    await chown(join(folder, "a"), 0, 54_321);
    const { state } = await heard("a", "modified");
    assert.deepEqual([state.owner, state.group], ["root", "54321"]);
  });
});

test("a file written in several steps is one event", async () => {
  await withFilesSource(async ({ folder, heard, settle, told }) => {
    const file = openSync(join(folder, "a"), "w");
    for (let step = 0; step < 20; step += 1) {
      writeSync(file, `step ${step}\n`);
      fsyncSync(file);
    }
    closeSync(file);
    const { state } = await heard("a", "created");
    assert.equal(state.size_bytes, 150);
    await settle();
    assert.deepEqual(told().slice(1).map(short), ["created a"]);
  });
});

test("a file that never rests is told all the same, and in the end as it is", async () => {
  await withFilesSource(
    async ({ folder, told, heard, settle }) => {
      const path = join(folder, "log");
      const writing = setInterval(() => appendFileSync(path, "line\n"), 5);
      try {
        await heard("log", "created");
        await heard("log", "modified", 2);
      } finally {
        clearInterval(writing);
      }
      await settle();
      await execa("sha256sum", [path]).then(async ({ stdout }) => {
        const last = () => told().findLast(({ path: of }) => of === "log")?.state.sha256;
        await until(() => last() === stdout.slice(0, 64));
      });
    },
    { pace: { quietMs: 5000, longestMs: 100 } },
  );
});

test("a file that is replaced by rename is modified; a move is deleted and created", async () => {
  await withFilesSource(async ({ folder, heard, settle, told }) => {
    writeFileSync(join(folder, "a"), "one\n");
    await heard("a", "created");
    writeFileSync(join(folder, ".a.swp"), "an editor's");
    writeFileSync(join(folder, "a.dpkg-new"), "two\n");
    await rename(join(folder, "a.dpkg-new"), join(folder, "a"));
    assert.match(String((await heard("a", "modified")).change.diff), /-one\n\+two\n$/);
    await rename(join(folder, "a"), join(folder, "b"));
    await heard("b", "created");
    await heard("a", "deleted");
    await settle();
    assert.deepEqual(told().slice(1).map(short).sort(), ["created a", "created b", "deleted a", "modified a"]);
  });
});

test("content that is written again as it was, and times that are set, are no event", async () => {
  await withFilesSource(async ({ folder, heard, settle, told }) => {
    writeFileSync(join(folder, "a"), "same");
    await heard("a", "created");
    writeFileSync(join(folder, "a"), "same");
    await utimes(join(folder, "a"), 1, 1);
    await settle();
    assert.deepEqual(told().slice(1).map(short), ["created a"]);
  });
});

test("a tree that appears is told whole, changes deep in it are seen, and it vanishes whole", async () => {
  await withFilesSource(async ({ folder, ledger, heard, settle, told }) => {
    const outside = join(ledger.folder, "outside");
    await mkdir(join(outside, "deep/er"), { recursive: true });
    writeFileSync(join(outside, "deep/er/a"), "1");
    await rename(outside, join(folder, "tree"));
    await heard("tree/deep/er/a", "created");
    writeFileSync(join(folder, "tree/deep/er/b"), "2");
    await heard("tree/deep/er/b", "created");
    await rename(join(folder, "tree"), join(folder, "moved"));
    await heard("moved/deep/er/b", "created");
    writeFileSync(join(folder, "moved/deep/er/b"), "3");
    await heard("moved/deep/er/b", "modified");
    await rm(join(folder, "moved"), { recursive: true });
    await heard("moved", "deleted");
    await settle();
    const names = ["", "/deep", "/deep/er", "/deep/er/a", "/deep/er/b"];
    const of = (action: string, root: string) => names.map((name) => `${action} ${root}${name}`);
    const all = [of("created", "tree"), of("deleted", "tree"), of("created", "moved"), of("deleted", "moved")];
    assert.deepEqual(told().slice(1).map(short).sort(), [...all.flat(), "modified moved/deep/er/b"].sort());
  });
});

test("a folder that is removed and made again at once is watched again, also with its old inode number", async () => {
  await withFilesSource(
    async ({ folder, heard }) => {
      await mkdir(join(folder, "d"));
      await heard("d", "created");
      await rmdir(join(folder, "d"));
      await mkdir(join(folder, "d"));
      writeFileSync(join(folder, "d/a"), "1");
      await heard("d/a", "created");
    },
    { pace: { quietMs: 30 } },
  );
});

test("a file that becomes a folder, and a folder that becomes a file, stay one element", async () => {
  await withFilesSource(async ({ folder, heard, told, settle }) => {
    writeFileSync(join(folder, "a"), "1");
    await heard("a", "created");
    await rm(join(folder, "a"));
    await mkdir(join(folder, "a"));
    writeFileSync(join(folder, "a/in"), "2");
    await heard("a/in", "created");
    await rm(join(folder, "a"), { recursive: true });
    writeFileSync(join(folder, "a"), "3");
    await heard("a/in", "deleted");
    await settle();
    const kinds = told().filter(({ path }) => path === "a");
    assert.equal(kinds.at(-1)?.state.kind, "file");
    assert.ok(kinds.some(({ state }) => state.kind === "folder"));
  });
});

test("pipes, sockets and devices are told by kind and never opened; links are told by target and never followed", async () => {
  await withFilesSource(async ({ folder, ledger, heard, settle, told }) => {
    await mkdir(join(ledger.folder, "elsewhere"));
    writeFileSync(join(ledger.folder, "elsewhere/secret"), "not to be seen");
    await execa("mkfifo", [join(folder, "pipe")]);
    const server = createServer().listen(join(folder, "socket"));
    await symlink("../elsewhere", join(folder, "way-out"));
    await symlink("loop-b", join(folder, "loop-a"));
    await symlink("loop-a", join(folder, "loop-b"));
    assert.equal((await heard("pipe", "created")).state.kind, "pipe");
    assert.equal((await heard("socket", "created")).state.kind, "socket");
    const { state } = await heard("way-out", "created");
    assert.deepEqual([state.kind, state.target, state.mode], ["link", "../elsewhere", undefined]);
    assert.equal((await heard("loop-b", "created")).state.target, "loop-a");
    // In one go: the source may not look in between.
    rmSync(join(folder, "way-out"));
    symlinkSync("/nowhere", join(folder, "way-out"));
    assert.equal((await heard("way-out", "modified")).state.target, "/nowhere");
    server.close();
    await settle();
    assert.ok(!told().some(({ path }) => path.includes("/")));
  });
});

test("names that are no UTF-8, and names that would turn a terminal, have ids that people can read", async () => {
  await withFilesSource(async ({ folder, heard }) => {
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9])]), "1");
    await heard("caf%E9", "created");
    writeFileSync(join(folder, "a\nb\u202e 100%"), "2");
    await heard("a%0Ab%E2%80%AE 100%25", "created");
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9])]), "3");
    await heard("caf%E9", "modified");
    writeFileSync(join(folder, "日本"), "4");
    await heard("日本", "created");
  });
});

test("what changed while the daemon was off is told with the time that was not seen, and with diffs", async () => {
  await withFilesSource(
    async ({ folder, restart, told, ledger, settle }) => {
      await settle();
      const before = told().length;
      await restart(async () => {
        writeFileSync(join(folder, "kept"), "one\nTWO\n");
        await rm(join(folder, "lost"));
        writeFileSync(join(folder, "new"), "new\n");
      });
      const [gap, ...rest] = told().slice(before);
      assert.equal(gap?.action, "gap");
      const unseen = { from: gap?.state.from, to: gap?.state.to };
      assert.deepEqual(rest.map(short).sort(), ["deleted lost", "modified kept", "observed new"]);
      for (const { change } of rest) assert.deepEqual(change.unseen, unseen);
      const diffs = new Map(rest.map(({ path, change }) => [path, change.diff]));
      assert.match(String(diffs.get("kept")), /\n one\n-two\n\+TWO\n$/);
      assert.match(String(diffs.get("lost")), /-bye\n$/);
      assert.equal(ledger.events("source:files").length, 1);
    },
    {
      prepare: async (folder) => {
        writeFileSync(join(folder, "kept"), "one\ntwo\n");
        writeFileSync(join(folder, "lost"), "bye\n");
      },
    },
  );
});

test("a path that leaves the watch list is unwatched and not deleted, and is observed when it is watched again", async () => {
  await withFilesSource(
    async ({ folder, restart, told }) => {
      const before = told().length;
      await restart(() => undefined, { watch: [`${folder}/*.conf`] });
      await restart(() => undefined, { watch: [`${folder}/*.conf`] });
      await restart(() => undefined);
      const rest = told()
        .slice(before)
        .filter(({ action }) => action !== "gap");
      assert.deepEqual(rest.map(short), ["unwatched .", "unwatched a.txt", "observed .", "observed a.txt"]);
    },
    {
      prepare: async (folder) => {
        writeFileSync(join(folder, "a.txt"), "1");
        writeFileSync(join(folder, "b.conf"), "2");
      },
    },
  );
});

test("a change that no notification tells of is found by the next walk, and says so", async () => {
  await withFilesSource(
    async ({ folder, ledger, heard }) => {
      writeFileSync(join(folder, "a"), "one\n");
      await heard("a", "created");
      // Another name of the same file, in a folder that nobody watches: inotify tells of the name that was used.
      await link(join(folder, "a"), join(ledger.folder, "other-name"));
      writeFileSync(join(ledger.folder, "other-name"), "two\n");
      const { change } = await heard("a", "modified");
      assert.equal(change.found_by, "walk");
      assert.match(String(change.diff), /-one\n\+two\n$/);
    },
    { pace: { walkMs: 150 } },
  );
});

test("a watched folder that is not there yet is seen when it comes, and single files are watched by name", async () => {
  await withFilesSource(
    async ({ folder, heard, settle, told }) => {
      await mkdir(join(folder, "etc/app"), { recursive: true });
      writeFileSync(join(folder, "etc/app/a.conf"), "1");
      writeFileSync(join(folder, "etc/app/a.txt"), "2");
      writeFileSync(join(folder, "etc/other"), "3");
      await heard("etc/app/a.conf", "created");
      await settle();
      await rm(join(folder, "etc"), { recursive: true });
      await heard("etc/app/a.conf", "deleted");
      assert.deepEqual(told().map(short), ["created etc/app/a.conf", "deleted etc/app/a.conf"]);
    },
    { watch: (folder) => [`${folder}/etc/app/*.conf`, `${folder}/zz-mark`] },
  );
});

test("a link on the way to a watched folder is not followed, and status says what to watch instead", async () => {
  await withFilesSource(
    async ({ source, told }) => {
      assert.deepEqual(told().map(short), ["observed alias"]);
      assert.match(String(source.state().problem), /\/alias is a symbolic link, which is not followed/);
    },
    {
      watch: (folder) => [`${folder}/alias/**`],
      prepare: async (folder) => {
        await mkdir(join(folder, "real"));
        writeFileSync(join(folder, "real/a"), "1");
        await symlink("real", join(folder, "alias"));
      },
    },
  );
});

test("the daemon's own files are never watched", async () => {
  await withFilesSource(async ({ folder, settle, told }) => {
    await mkdir(join(folder, "own"));
    writeFileSync(join(folder, "own/ledger"), "1");
    await settle();
    assert.deepEqual(told().map(short), ["observed ."]);
  });
});
