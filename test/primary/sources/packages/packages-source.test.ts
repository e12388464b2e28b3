// The packages source on real files: history, following, rotation, and the meaning of each line.
import assert from "node:assert/strict";
import { appendFile, copyFile, open, rename, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { createAdmitter } from "../../../../primary/admit/admit-event.js";
import { compareDebianVersions } from "../../../../primary/sources/packages/compare-debian-versions.js";
import { PackagesSource } from "../../../../primary/sources/packages/packages-source.js";
import { DpkgLogReader } from "../../../../primary/sources/packages/read-dpkg-log.js";
import { until } from "../../../support/until.js";
import { withFolder } from "../../../support/with-folder.js";
import { MemorySink, silentLog } from "../memory-sink.js";

process.env.TZ = "Europe/Berlin";

function line(second: number, name: string, verb = "install", left = "<none>", right = "1.0"): string {
  const time = new Date(Date.UTC(2026, 0, 5, 10, 0, second)).toISOString().slice(0, 19).replace("T", " ");
  return `${time} ${verb} ${name}:amd64 ${left} ${right}\n`;
}

interface Following {
  log: string;
  sink: MemorySink;
  source: PackagesSource;
  names(): string[];
}

/** Follows what `prepare` has made, into a sink that it may have filled. */
async function following(
  prepare: (log: string, sink: MemorySink) => Promise<void>,
  body: (following: Following) => Promise<void>,
) {
  await withFolder(async (folder) => {
    const log = join(folder, "dpkg.log");
    const sink = new MemorySink();
    await prepare(log, sink);
    const make = () =>
      new PackagesSource({ admit: createAdmitter(), sink, log: silentLog, path: log, pollMs: 20, retryMs: 5 });
    const source = make();
    await source.start(new AbortController().signal);
    const names = () => sink.events.map(({ elementId }) => elementId.split(":")[1] as string);
    try {
      await body({ log, sink, source, names });
      await source.stop();
      // Whatever happened to the files, reading them all again brings nothing twice.
      const events = sink.events.length;
      const again = make();
      await again.start(new AbortController().signal);
      await until(() => again.state().caught_up === true);
      await again.stop();
      assert.equal(sink.events.length, events);
    } finally {
      await source.stop();
    }
  });
}

describe("the packages source", () => {
  test("reads the rotated files oldest first, then the log, then follows it", () =>
    following(
      async (log) => {
        await writeFile(`${log}.2.gz`, gzipSync(line(1, "a") + line(2, "b")));
        await writeFile(`${log}.10.gz`, gzipSync(line(0, "oldest")));
        await writeFile(`${log}.1`, line(3, "c"));
        await writeFile(`${log}.other`, line(3, "not-this"));
        await writeFile(log, `${line(4, "d")}2026-01-05 10:00:04 status installed d:amd64 1.0\n`);
      },
      async ({ log, source, sink, names }) => {
        await until(() => source.state().caught_up === true);
        assert.deepEqual(names(), ["oldest", "a", "b", "c", "d"]);
        await appendFile(log, line(5, "e").slice(0, 20));
        await appendFile(log, line(5, "e").slice(20));
        await until(() => sink.events.length === 6);
        const { read, written, ignored } = source.state();
        assert.deepEqual({ read, written, ignored }, { read: 7, written: 6, ignored: 1 });
      },
    ));

  test("loses nothing and doubles nothing when the log is renamed, though its writer goes on in the old file", () =>
    following(
      (log) => writeFile(log, line(1, "a")),
      async ({ log, sink, names }) => {
        await until(() => sink.events.length === 1);
        const writer = await open(log, "a");
        await rename(log, `${log}.1`);
        await writer.appendFile(line(2, "b"));
        await writeFile(log, line(3, "c"));
        await until(() => sink.events.length === 3);
        await writer.appendFile(line(4, "late"));
        await writer.close();
        await until(() => sink.events.length === 4);
        assert.deepEqual(names().sort(), ["a", "b", "c", "late"]);
      },
    ));

  test("loses nothing when the log is copied and truncated", () =>
    following(
      (log) => writeFile(log, line(1, "a")),
      async ({ log, sink, names }) => {
        await until(() => sink.events.length === 1);
        await appendFile(log, line(2, "b"));
        await copyFile(log, `${log}.1`);
        await truncate(log);
        await appendFile(log, line(3, "c") + line(4, "d") + line(5, "e"));
        await until(() => sink.events.length === 5);
        assert.deepEqual(names().sort(), ["a", "b", "c", "d", "e"]);
      },
    ));

  test("waits for a log that is not there, and passes over a damaged old one", () =>
    following(
      (log) => writeFile(`${log}.1.gz`, "no gzip"),
      async ({ log, source, sink }) => {
        await until(() => source.state().waiting_for_file === true);
        assert.match(String(source.state().problem), /dpkg\.log\.1\.gz/);
        await writeFile(log, line(1, "a"));
        await until(() => sink.events.length === 1 && source.state().waiting_for_file === false);
      },
    ));

  test("waits for the ledger's room, and sends again what the ledger failed to write", () =>
    following(
      async (log, sink) => {
        await writeFile(log, Array.from({ length: 600 }, (_, n) => line(n % 50, `p${n}`)).join(""));
        sink.fill();
      },
      async ({ sink, source }) => {
        await new Promise((resolve) => setTimeout(resolve, 30));
        assert.equal(sink.events.length, 0);
        sink.failure = Object.assign(new Error("the disk is full"), { code: "write-failed" });
        sink.makeRoom();
        await until(() => source.state().problem === "the disk is full");
        sink.failure = undefined;
        await until(() => source.state().caught_up === true);
        assert.equal(sink.events.length, 600);
      },
    ));
});

describe("a line of dpkg.log", () => {
  const read = (text: string) => new DpkgLogReader().read(text.trimEnd());

  test("becomes the event that it tells", () => {
    const cases: [string, string, string, string, object][] = [
      ["install", "<none>", "1.0", "installed", { version: "1.0" }],
      ["upgrade", "1.0", "1.1~rc1", "upgraded", { version: "1.1~rc1", previous_version: "1.0" }],
      ["upgrade", "2.0-1", "1:1.0", "upgraded", { version: "1:1.0", previous_version: "2.0-1" }],
      ["upgrade", "1.1", "1.1~rc1", "downgraded", { version: "1.1~rc1", previous_version: "1.1" }],
      ["upgrade", "1.1", "1.1", "reinstalled", { version: "1.1", previous_version: "1.1" }],
      ["remove", "1.0", "<none>", "removed", { version: null, previous_version: "1.0" }],
      ["purge", "1.0", "<none>", "purged", { version: null, previous_version: "1.0" }],
      ["configure", "1.0", "<none>", "configured", { version: "1.0" }],
    ];
    for (const [verb, left, right, action, state] of cases) {
      const event = read(line(1, "curl", verb, left, right));
      assert.equal(event?.action, action, verb);
      assert.equal(event?.element_id, "package:curl:amd64");
      assert.deepEqual(event?.state_snapshot, { package: "curl", architecture: "amd64", ...state });
    }
    assert.equal(read("2026-01-05 10:00:00 trigproc libc-bin:amd64 2.36 <none>"), undefined);
    assert.equal(read("2026-13-05 10:00:00 install a:amd64 <none> 1"), undefined);
  });

  test("has its local time brought to UTC, in winter, in summer, and through the hour that comes twice", () => {
    const reader = new DpkgLogReader();
    const times = [
      "2026-01-05 10:00:00",
      "2026-07-05 10:00:00",
      "2026-10-25 02:30:00",
      "2026-10-25 02:10:00",
      "2026-10-25 02:40:00",
      "2026-10-25 03:00:00",
    ];
    const utc = times.map((time) => reader.read(`${time} install a:amd64 <none> 1`)?.timestamp.slice(0, 16));
    assert.deepEqual(utc, [
      "2026-01-05T09:00",
      "2026-07-05T08:00",
      "2026-10-25T00:30",
      "2026-10-25T01:10",
      "2026-10-25T01:40",
      "2026-10-25T02:00",
    ]);
  });

  test("has a key of its own even beside its twin", () => {
    const reader = new DpkgLogReader();
    const keys = [1, 1, 2, 1].map((second) => reader.read(line(second, "a").trimEnd())?.idempotency_key);
    assert.notEqual(keys[0], keys[1]);
    assert.match(keys[1] ?? "", /:2$/);
    assert.equal(keys[3], keys[0]);
  });

  test("versions stand in Debian's order", () => {
    const order = [
      "0.9",
      "1.0~~",
      "1.0~rc1",
      "1.0",
      "1.0-1",
      "1.0-1+deb12u1",
      "1.0-1+deb12u10",
      "1.0+x",
      "1.0a",
      "1.2",
      "1.10",
      "2:0.1",
    ];
    const sorted = [...order].reverse().sort(compareDebianVersions);
    assert.deepEqual(sorted, [
      "0.9",
      "1.0~~",
      "1.0~rc1",
      "1.0",
      "1.0-1",
      "1.0-1+deb12u1",
      "1.0-1+deb12u10",
      "1.0a",
      "1.0+x",
      "1.2",
      "1.10",
      "2:0.1",
    ]);
    assert.equal(compareDebianVersions("1.0", "1.00"), 0);
  });
});
