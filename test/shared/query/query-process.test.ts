import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { AskError, askSocket, pathWith } from "../../../shared/cli/ask-socket.js";
import { createLogger } from "../../../shared/log.js";
import { StoreBuilder, someEvents } from "../../support/build-store.js";
import { type QueryChild, startQueryChild } from "../../support/query-child.js";
import { program, requirePart } from "../../support/require-part.js";
import { withFolder } from "../../support/with-folder.js";

const UUID = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d03";
const FAIL_FORK = fileURLToPath(new URL("../../../../test/support/fail-fork.c", import.meta.url));
const WITHOUT_MEMORY = fileURLToPath(new URL("../../support/fork-without-memory.js", import.meta.url));
const log = createLogger("error", () => true);
let folder: string;
let builder: StoreBuilder;
let socketPath: string;
let queries: QueryChild;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "isochron-queries-"));
  socketPath = join(folder, "query.sock");
  builder = await StoreBuilder.create({ root: folder, uuid: UUID, dimensions: 16 });
  await builder.seal(someEvents(40, 4, 16));
  queries = await startQueryChild({ root: folder, socketPath, indexProcesses: 1, daemon: "replica", log });
  // On a busy disk a start does not wait for all of the first catch-up.
  await queries.promoted(UUID, 1);
});
after(async () => {
  await queries.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Children of this process whose command line names the query process. */
async function queryPids(): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir("/proc")) {
    const [status, command] = await Promise.all(
      ["status", "cmdline"].map((file) => readFile(`/proc/${name}/${file}`, "utf8").catch(() => "")),
    );
    if (status?.includes(`PPid:\t${process.pid}\n`) && command?.includes("query-main.js")) found.push(Number(name));
  }
  return found;
}

test("the socket answers once the process has started, and only its group may ask", async () => {
  const answer = await askSocket<{ results: unknown[]; size: number }>({
    socketPath,
    path: pathWith("/v1/chain", { element: "interface:eth1" }),
  });
  assert.equal(answer.results.length, 10);
  assert.equal(answer.size, 41);
  assert.equal((await stat(socketPath)).mode & 0o777, 0o660);
});

test("any method but GET is refused with 405", async () => {
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]) {
    const status = await new Promise((resolve, reject) => {
      const asked = request({ socketPath, path: "/v1/status", method }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      asked.on("error", reject);
      asked.end();
    });
    assert.equal(status, 405, method);
  }
});

test("errors are problem documents with a code, and bad parameters name themselves, their value and the way out", async () => {
  const problemOf = async (path: string) => {
    const error = await askSocket({ socketPath, path }).then(
      () => assert.fail(`${path} was answered`),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof AskError && error.problem);
    return error.problem;
  };
  const limit = await problemOf("/v1/timeline?limit=many");
  assert.equal(limit.status, 400);
  assert.match(`${limit.detail} ${limit.hint}`, /limit is "many" give a whole number/);
  assert.match((await problemOf("/v1/chain?element=a&colour=red")).hint ?? "", /element, limit, cursor/);
  assert.match((await problemOf("/v1/chain")).detail, /element is missing/);
  assert.match((await problemOf("/v1/timeline?from=yesterday")).hint ?? "", /2026-11-20T10:05:00Z/);
  assert.equal((await problemOf("/v1/chain?element=a&element=b")).code, "bad-parameter");
  assert.equal((await problemOf("/v1/event?seq=1&hash=00000000")).code, "bad-parameter");
  const types = Array.from({ length: 33 }, (_, i) => i).join(",");
  assert.match((await problemOf(`/v1/elements?type=${types}`)).hint ?? "", /up to 32 types/);
  assert.match((await problemOf("/v1/elements?states=yes")).detail, /states is "yes"/);
  assert.match((await problemOf("/v1/anomalies?window=0s")).hint ?? "", /a duration from 1s/);
  assert.match((await problemOf("/v1/anomalies?window=101w&from=2026-01-02&to=2026-01-01")).hint ?? "", /two of/);
  assert.match((await problemOf("/v1/anomalies?from=2026-01-02&to=2026-01-01")).hint ?? "", /not before `from`/);
  assert.match((await problemOf("/v1/stats?limit=3")).hint ?? "", /the parameters are: store$/);
  assert.equal((await problemOf("/v1/event?seq=999")).status, 404);
  const nothing = await problemOf("/v1/nothing");
  assert.equal(nothing.status, 404);
  assert.match(nothing.hint ?? "", /\/v1\/elements, .*\/v1\/anomalies, \/v1\/stats and \/v1\/status/);
});

test("a promotion is answered after it resolves, and says how far behind the primary it is", async () => {
  const { generation, size } = await builder.seal(someEvents(6, 3, 16));
  assert.deepEqual(await queries.promoted(UUID, generation), { generation, size });
  queries.teller.setPrimaryHead(UUID, { size: size + 2, atMs: Date.now(), generation });
  const { behind } = await askSocket<{ behind: { entries: number } }>({ socketPath, path: "/v1/event?seq=45" });
  assert.equal(behind.entries, 2);
});

test("a process that dies is replaced by one that has caught up, and what was asked of it is answered", async () => {
  const { generation, size } = await builder.seal(someEvents(6, 3, 16));
  queries.teller.setPrimaryHead(UUID, { size, atMs: Date.now(), generation });
  const asked = queries.promoted(UUID, generation);
  for (const pid of await queryPids()) process.kill(pid, "SIGKILL");
  assert.deepEqual(await asked, { generation, size });
  const next = await builder.seal(someEvents(6, 3, 16));
  assert.deepEqual(await queries.promoted(UUID, next.generation), next);
  const status = await askSocket<{ stores: { size: number; behind: { known: boolean } }[] }>({
    socketPath,
    path: "/v1/status",
  });
  assert.equal(status.stores[0]?.size, next.size);
  assert.equal(status.stores[0]?.behind.known, true);
});

test("a process that dies while there is no memory for another is replaced once there is", async (t) => {
  if (!(await requirePart(t, program("cc", "build-essential")))) return;
  await withFolder(async (root) => {
    const [library, noMemory] = [join(root, "fail-fork.so"), join(root, "no-memory")];
    await promisify(execFile)("cc", ["-shared", "-fPIC", "-Wall", "-Werror", "-o", library, FAIL_FORK]);
    await mkdir(join(root, "stores"));
    const env = { ...process.env, LD_PRELOAD: library, FAIL_FORK: noMemory };
    const { stdout } = await promisify(execFile)(process.execPath, [WITHOUT_MEMORY, root, noMemory], { env });
    const never = stdout.match(/query process ended, starting another code=null signal=null/g) ?? [];
    assert.ok(never.length >= 2, stdout);
    assert.match(stdout, /ENOMEM/);
  });
});

test("a process that dies in its first catch-up is replaced, and who asks meanwhile is told to wait", async () => {
  const root = await mkdtemp(join(tmpdir(), "isochron-queries-"));
  const slow = await StoreBuilder.create({ root, uuid: UUID });
  const { size } = await slow.seal(someEvents(8, 2, undefined));
  // A checkpoint that nobody writes holds the catch-up up, as a disk would that does not answer.
  const { checkpoint } = slow.layout.generation(1);
  await rename(checkpoint, `${checkpoint}.kept`);
  await promisify(execFile)("mkfifo", [checkpoint]);
  const others = await queryPids();
  const path = join(root, "query.sock");
  const asked = await startQueryChild({ root, socketPath: path, indexProcesses: 1, daemon: "replica", log });
  try {
    const status = () =>
      askSocket<{ stores: { ready: boolean; size: number }[] }>({ socketPath: path, path: "/v1/status" });
    assert.deepEqual(
      (await status()).stores.map((store) => [store.ready, store.size]),
      [[false, 0]],
    );
    await assert.rejects(
      askSocket({ socketPath: path, path: "/v1/event?seq=1" }),
      (error: AskError) => error.problem?.code === "not-ready",
    );
    const [first] = (await queryPids()).filter((pid) => !others.includes(pid));
    await rename(`${checkpoint}.kept`, checkpoint);
    process.kill(first as number, "SIGKILL");
    assert.deepEqual(await asked.promoted(UUID, 1), { generation: 1, size });
    assert.deepEqual((await status()).stores[0]?.ready, true);
  } finally {
    await asked.stop();
    await rm(root, { recursive: true });
  }
});

test("the process of a daemon that was killed is waited for: it answers on the socket for another moment", async () => {
  const path = join(folder, "taken.sock");
  const taken = createServer((socket) => {
    socket.destroy();
    taken.close();
  });
  await new Promise<void>((resolve) => taken.listen(path, resolve));
  const next = await startQueryChild({ root: folder, socketPath: path, indexProcesses: 1, daemon: "replica", log });
  try {
    assert.ok(await askSocket({ socketPath: path, path: "/v1/status" }));
  } finally {
    await next.stop();
  }
});

test("a second process on the same socket is refused, and an error says when nobody listens", async () => {
  await assert.rejects(
    startQueryChild({ root: folder, socketPath, indexProcesses: 1, daemon: "replica", log }),
    /another process answers/,
  );
  const nobody = { socketPath: join(folder, "none.sock"), path: "/v1/status", startedBy: "isochron-replica serve" };
  await assert.rejects(askSocket(nobody), (error: AskError) => {
    assert.equal(error.code, "nobody-listens");
    assert.match(error.hint ?? "", /isochron-replica serve/);
    return true;
  });
});
