// The lines of a file that grows, is renamed and truncated, on real files; and the keys that name them.
import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import { appendFile, copyFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  type FollowedLine,
  type FollowOptions,
  followLines,
} from "../../../../primary/sources/lines/ingest-follow-lines.js";
import { until } from "../../../support/until.js";
import { withFolder } from "../../../support/with-folder.js";

interface Following {
  lines: string[];
  keys: string[];
  offsets: number[];
  notices: string[];
  /** Lets no further line be taken until `goOn`. */
  stall(): void;
  goOn(): void;
  /** Ends it; rejects with what it threw. */
  end(): Promise<void>;
}

function follow(path: string, options: Partial<FollowOptions> = {}): Following {
  const ending = new AbortController();
  let stalled: Promise<void> | undefined;
  let goOn: () => void = () => undefined;
  const following: Following = {
    lines: [],
    keys: [],
    offsets: [],
    notices: [],
    stall() {
      stalled = new Promise((resolve) => {
        goOn = resolve;
      });
    },
    goOn() {
      stalled = undefined;
      goOn();
    },
    async end() {
      ending.abort();
      goOn();
      await reading;
    },
  };
  const take = async ({ bytes, key, offset }: FollowedLine) => {
    following.lines.push(bytes === undefined ? "(too long)" : bytes.toString());
    following.keys.push(key);
    following.offsets.push(offset);
    await stalled;
  };
  const onNotice = (message: string) => following.notices.push(message);
  const reading = (async () => {
    const lines = followLines({ path, fromEnd: false, signal: ending.signal, pollMs: 20, onNotice, ...options });
    for await (const line of lines) await take(line);
  })();
  reading.catch(() => undefined);
  return following;
}

/** Whether this process has the file open that stands at the path now. */
function isHeldOpen(path: string): boolean {
  return readdirSync("/proc/self/fd").some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  });
}

/** Runs `body` with a path in a folder of its own. */
const withPath = (body: (path: string) => Promise<void>) => withFolder((folder) => body(join(folder, "log")));

describe("a followed file", () => {
  test("gives what is there, then whole lines as they are appended, with their places", () =>
    withPath(async (path) => {
      await writeFile(path, "one\n\n  \ntwo\nth");
      const following = follow(path);
      await until(() => following.lines.length === 2);
      await appendFile(path, "ree\nfour\n");
      await until(() => following.lines.length === 4);
      assert.deepEqual(following.lines, ["one", "two", "three", "four"]);
      assert.deepEqual(following.offsets, [0, 8, 12, 18]);
      await following.end();
    }));

  test("is waited for when it is not there, and read from its first line when it comes", () =>
    withPath(async (path) => {
      const following = follow(path, { fromEnd: true });
      await until(() => following.notices.length === 1);
      assert.match(following.notices[0] as string, /is not there; waiting/);
      await writeFile(path, "one\n");
      await until(() => following.lines.length === 1);
      await following.end();
    }));

  test("can be followed from its end, with the keys that its lines would have had otherwise", () =>
    withPath(async (path) => {
      await writeFile(path, "old\nolder\n");
      const following = follow(path, { fromEnd: true });
      // Until it is at work, what is appended may still be passed over.
      for (let n = 0; following.lines.length === 0; n += 1) {
        await appendFile(path, `new ${n}\n`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await following.end();
      assert.match(following.lines[0] as string, /^new/);
      const again = follow(path);
      await until(() => again.keys.includes(following.keys.at(-1) as string));
      const from = again.keys.indexOf(following.keys[0] as string);
      assert.ok(from >= 2);
      assert.deepEqual(again.keys.slice(from, from + following.keys.length), following.keys);
      await again.end();
    }));

  test("is read to its end when it is renamed, and then the new one; a last line without a newline is a line", () =>
    withPath(async (path) => {
      await writeFile(path, "one\n");
      const following = follow(path);
      await until(() => following.lines.length === 1);
      await rename(path, `${path}.1`);
      await appendFile(`${path}.1`, "late\nlast");
      await until(() => following.lines.length === 2);
      await writeFile(path, "two\n");
      await until(() => following.lines.length === 4);
      assert.deepEqual(following.lines, ["one", "late", "last", "two"]);
      assert.deepEqual(following.offsets, [0, 4, 9, 0]);
      await following.end();
    }));

  test("loses no file to rotations while nobody takes its lines", () =>
    withPath(async (path) => {
      await writeFile(path, "0\n");
      const following = follow(path);
      following.stall();
      await until(() => following.lines.length === 1);
      for (let round = 1; round <= 5; round += 1) {
        await appendFile(path, `end of ${round - 1}\n`);
        await rename(path, `${path}.${round}`);
        await writeFile(path, `${round}\n`);
        await until(() => isHeldOpen(path));
        if (round === 3) await rm(`${path}.1`);
      }
      following.goOn();
      await until(() => following.lines.length === 11);
      const rounds = [0, 1, 2, 3, 4].flatMap((round) => [`${round}`, `end of ${round}`]);
      assert.deepEqual(following.lines, [...rounds, "5"]);
      await following.end();
    }));

  test("is read again from its start when it was truncated, also when it has grown past the old place since", () =>
    withPath(async (path) => {
      await writeFile(path, "one\ntwo\n");
      const following = follow(path);
      await until(() => following.lines.length === 2);
      await copyFile(path, `${path}.1`);
      await truncate(path, 0);
      await until(() => following.notices.length === 1);
      await appendFile(path, "three\n");
      await until(() => following.lines.length === 3);
      await writeFile(path, "and now something longer\nthan before\n");
      await until(() => following.lines.length === 5);
      assert.deepEqual(following.lines.slice(2), ["three", "and now something longer", "than before"]);
      await following.end();
    }));

  test("that may not be read is an error", () =>
    withFolder(async (folder) => {
      const following = follow(folder);
      await assert.rejects(following.end(), { code: "EISDIR" });
    }));
});

describe("the key of a followed line", () => {
  const keysOf = async (path: string, count: number): Promise<string[]> => {
    const following = follow(path);
    await until(() => following.keys.length === count);
    await following.end();
    return following.keys;
  };

  test("is the same in every run, and after the file was renamed", () =>
    withPath(async (path) => {
      await writeFile(path, "one\none\ntwo\n");
      const keys = await keysOf(path, 3);
      assert.equal(new Set(keys).size, 3);
      await appendFile(path, "three\n");
      assert.deepEqual((await keysOf(path, 4)).slice(0, 3), keys);
      await rename(path, `${path}.1`);
      assert.deepEqual((await keysOf(`${path}.1`, 4)).slice(0, 3), keys);
    }));

  test("is another one for the same line at the same place of another file, and of a truncated one", () =>
    withPath(async (path) => {
      await writeFile(path, "head\nsame\n");
      const [, first] = await keysOf(path, 2);
      await rm(path);
      await writeFile(path, "head\nsame\n");
      const [, second] = await keysOf(path, 2);
      assert.notEqual(second, first);
      await writeFile(path, "Head\nsame\n");
      const [, third] = await keysOf(path, 2);
      assert.notEqual(third, second);
    }));

  test("tells apart the only lines of two files that have no newline", () =>
    withPath(async (path) => {
      await writeFile(path, "only");
      const following = follow(path);
      for (const round of [1, 2]) {
        await until(() => isHeldOpen(path));
        await rename(path, `${path}.${round}`);
        await writeFile(path, "only");
        await until(() => following.lines.length === round);
      }
      assert.notEqual(following.keys[0], following.keys[1]);
      await following.end();
    }));
});
