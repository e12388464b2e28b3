// Embedding workers that stand still (SIGSTOP): a critical event goes to the replica without its vector, the vector follows
// by itself, and a crash in between loses neither.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { VectorizeStatus } from "../../primary/answer-operator.js";
import { type AskError, askSocket } from "../../shared/cli/ask-socket.js";
import { PRIORITIES } from "../../shared/format/entry.js";
import {
  eventually,
  expectConverged,
  ingest,
  mustRun,
  primaryStatus,
  QUIET,
  seal,
  someEvents,
  startWithEvents,
} from "../support/drive-fleet.js";
import { type Fleet, makeFleet, replicaAnswers } from "../support/start-fleet.js";

interface Hits {
  results: { seq: number }[];
}

describe("late vectors", () => {
  let fleet: Fleet;
  /** Workers that a test has stopped. */
  const stopped = new Set<number>();
  before(async () => {
    // With a worker of their own, critical events would not be late.
    const vectorize = { urgent_workers: 0 };
    fleet = await makeFleet({ volume: "512M", primary: { ...QUIET, vectorize, push: { hello_seconds: 1 } } });
    await startWithEvents(fleet);
  });
  after(async () => {
    signalStopped("SIGKILL");
    await fleet?.stop();
  });

  const vectorizing = async (): Promise<VectorizeStatus> => (await primaryStatus(fleet)).vectorize;

  /** Has the embedding worker stand still. */
  async function stopWorkers(): Promise<void> {
    await ingest(fleet, someEvents(1));
    await eventually(
      async () => (await vectorizing()).workers.pids.length > 0,
      () => "no embedding worker runs",
    );
    for (const pid of (await vectorizing()).workers.pids) {
      process.kill(pid, "SIGSTOP");
      stopped.add(pid);
    }
  }

  function signalStopped(signal: NodeJS.Signals): void {
    for (const pid of stopped) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
    stopped.clear();
  }

  /** A critical event that the replica answers from while its vector is late. */
  async function criticalWithoutVector(tag: string): Promise<number> {
    const [ack] = await ingest(fleet, someEvents(1, tag, { priority: "critical" }));
    const seq = (ack as { seq: number }).seq;
    await replicaAnswers(fleet, seq + 1);
    assert.deepEqual(await found(`search?q=${tag}`), [seq]);
    assert.ok((await found("chain?element=interface:eth0&limit=1000")).includes(seq));
    await assert.rejects(ask(`similar?seq=${seq}`), ({ problem }: AskError) => problem?.code === "no-vectors");
    return seq;
  }

  function ask(query: string): Promise<Hits> {
    return askSocket<Hits>({ socketPath: fleet.replica.socket("query"), path: `/v1/${query}` });
  }

  const found = async (query: string) => (await ask(query)).results.map(({ seq }) => seq);

  async function lateBySides(): Promise<number[]> {
    const late: number[] = [];
    for (const side of [fleet.primary, fleet.replica]) {
      late.push(JSON.parse(await mustRun(side, "verify", "--json")).late as number);
    }
    return late;
  }

  /** With no other event: the vector is on the replica, and finds what is like it. */
  async function vectorFollows(seq: number): Promise<void> {
    let why = "";
    await eventually(
      async () => {
        const near = await found(`similar?seq=${seq}`).catch((error: Error) => {
          why = error.message;
          return [];
        });
        return near.length > 0;
      },
      () => `the replica has no vector of event ${seq}: ${why}`,
    );
    // Vectors of events that were late with it may be in a generation after that.
    let late: number[] = [];
    await eventually(
      async () => {
        late = await lateBySides();
        return late.every((count) => count === 0);
      },
      () => `vectors are still late: ${late}`,
    );
    assert.equal((await vectorizing()).late.waiting, 0);
    await expectConverged(fleet);
  }

  test("hold up no critical event: the replica answers it by its words and its chain, and by its vector once that is there", async () => {
    await stopWorkers();
    const seq = await criticalWithoutVector("gonewithout");
    const { late, backlog, critical_deadline_ms } = await vectorizing();
    assert.equal(critical_deadline_ms, 50);
    assert.ok(late.waiting >= 1 && late.since_start >= late.waiting);
    assert.equal(
      PRIORITIES.reduce((sum, priority) => sum + backlog[priority], 0),
      late.waiting,
    );
    assert.deepEqual(await lateBySides(), [late.waiting, late.waiting]);
    assert.match(await mustRun(fleet.primary, "status"), /sealed without, \d+ of them yet to follow/);
    signalStopped("SIGCONT");
    await vectorFollows(seq);
  });

  test("are waited for by a seal of ordinary events, until a critical one comes that the waiting would hold up", async () => {
    await stopWorkers();
    const sealed = seal(fleet);
    // What is asked on that socket after it is answered after it has begun.
    await primaryStatus(fleet);
    const [ack] = await ingest(fleet, someEvents(1, "brokein", { priority: "critical" }));
    // Without a vector it can only have been made in a hurry.
    await sealed;
    const seq = (ack as { seq: number }).seq;
    await replicaAnswers(fleet, seq + 1);
    assert.deepEqual(await found("search?q=brokein"), [seq]);
    signalStopped("SIGCONT");
    await vectorFollows(seq);
  });

  test("are found after a crash from what the newest seal says, and follow with no other event", async () => {
    await stopWorkers();
    const seq = await criticalWithoutVector("crashedafter");
    await fleet.primary.daemon.kill();
    signalStopped("SIGKILL");
    await fleet.primary.daemon.start();
    await vectorFollows(seq);
  });

  test("survive a crash at whatever point between the vector and the seal that it follows in", async () => {
    await stopWorkers();
    const seq = await criticalWithoutVector("crashedbetween");
    signalStopped("SIGCONT");
    await fleet.primary.daemon.kill();
    await fleet.primary.daemon.start();
    await vectorFollows(seq);
  });

  test("wait on over a restart in which the workers stand still again", async () => {
    await stopWorkers();
    const first = await criticalWithoutVector("firstlate");
    await fleet.primary.daemon.stop();
    signalStopped("SIGKILL");
    await fleet.primary.daemon.start();
    await stopWorkers();
    const second = await criticalWithoutVector("secondlate");
    signalStopped("SIGCONT");
    await vectorFollows(second);
    assert.ok((await found(`similar?seq=${first}`)).length > 0);
  });
});
