// The main job, end to end: a fleet as users run it, asked by the commands that users have.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import { heuristicSpace } from "../../shared/embed/heuristic.js";
import { spaceName } from "../../shared/format/space.js";
import {
  eventually,
  expectConverged,
  ingest,
  jsonLines,
  linkBecomes,
  listSubvolumes,
  mustRun,
  primaryStatus,
  QUIET,
  seal,
  someEvents,
  storeOf,
} from "../support/drive-fleet.js";
import {
  bothAnswer,
  type Fleet,
  type FleetSide,
  makeFleet,
  REPLICA_NAME,
  replicaAnswers,
} from "../support/start-fleet.js";

const SECRET = "kX9-never-on-disk-7Qz";

describe("a primary and its replica", () => {
  let fleet: Fleet;
  let acks: { seq: number; hash: string }[];

  before(async () => {
    fleet = await makeFleet({
      volume: "256M",
      primary: { seal: { ...QUIET.seal, high_ms: 50 }, log_level: "debug" },
      replica: { log_level: "debug" },
    });
    await fleet.replica.daemon.start();
    await fleet.primary.daemon.start();
    acks = await ingest(fleet, [
      ...someEvents(30, "wireless antenna"),
      {
        element_id: "bridge:vmbr0",
        element_type: "Bridge",
        action: "config_changed",
        state_snapshot: { ports: ["a"] },
      },
      {
        element_id: "wifi:wlan0",
        element_type: "Wifi",
        action: "modified",
        reason: "roamed to the attic",
        state_snapshot: { ssid: "attic", psk: SECRET, nested: { api_token: SECRET } },
      },
    ]);
    await seal(fleet);
    await bothAnswer(fleet, acks.length + 1);
  });
  after(() => fleet?.stop());

  const asked = (...args: string[]) => askBoth(fleet, args);

  test("acks come in order, each with its sequence number and hash", () => {
    assert.deepEqual(
      acks.map(({ seq }) => seq),
      acks.map((_, i) => i),
    );
    assert.equal(new Set(acks.map(({ hash }) => hash)).size, acks.length);
  });

  test("an event is answered with the hash that its ack gave", async () => {
    const { results } = await asked("event", "31");
    assert.equal(results[0]?.hash, acks[31]?.hash);
    assert.equal(results[0]?.element_id, "wifi:wlan0");
    assert.deepEqual((await asked("event", acks[31]?.hash as string)).results, results);
  });

  test("a chain is answered in order of height, each entry naming the hash before", async () => {
    const { results, envelope } = await asked("chain", "interface:eth1");
    assert.deepEqual(
      results.map(({ height }) => height),
      [0, 1, 2, 3, 4, 5, 6, 7],
    );
    assert.deepEqual(
      results.map(({ seq }) => seq),
      [1, 5, 9, 13, 17, 21, 25, 29],
    );
    for (const [i, { previous_event_hash }] of results.slice(1).entries()) {
      assert.equal(previous_event_hash, results[i]?.hash);
    }
    assert.equal(envelope.generation, 1);
    assert.equal(envelope.seq, acks.length);
    assert.deepEqual([envelope.behind.known, envelope.behind.entries], [true, 0]);
  });

  test("a timeline goes through pages by cursor without a gap or a repeat", async () => {
    const first = await asked("timeline", "--type", "NetworkInterface", "--limit", "20");
    const second = await asked(
      "timeline",
      "--type",
      "NetworkInterface",
      "--limit",
      "20",
      "--cursor",
      first.envelope.cursor,
    );
    assert.deepEqual(
      [...first.results, ...second.results].map(({ seq }) => seq),
      Array.from({ length: 30 }, (_, i) => i),
    );
    assert.equal(second.envelope.cursor, undefined);
  });

  test("a state is answered as it was at a height", async () => {
    const { results } = await asked("state", "interface:eth1", "--height", "2");
    assert.deepEqual(results[0]?.state_snapshot, { mtu: 1509, tag: "wireless antenna" });
  });

  test("similar events of an event are those of its own kind", async () => {
    const { results } = await asked("similar", "5", "--limit", "3");
    assert.deepEqual(
      results.map(({ element_id }) => element_id),
      ["interface:eth1", "interface:eth1", "interface:eth1"],
    );
  });

  test("a search finds an event by the words of its reason and shows the rank of each leg", async () => {
    const { results } = await asked("search", "attic");
    assert.equal(results[0]?.element_id, "wifi:wlan0");
    const { text, vector } = results[0] as unknown as Record<"text" | "vector", { rank: number }>;
    assert.deepEqual([text.rank, vector.rank], [1, 1]);
  });

  test("every query has a table for people with a line that says what it speaks for", async () => {
    for (const args of [
      ["chain", "bridge:vmbr0"],
      ["timeline"],
      ["event", "30"],
      ["state", "bridge:vmbr0"],
      ["similar", "bridge:vmbr0"],
      ["search", "ports"],
    ]) {
      const text = await mustRun(fleet.replica, ...args);
      assert.match(text, args[0] === "similar" ? /COSINE/ : /config_changed/, args.join(" "));
      assert.match(text, /generation 1, up to event 32, 0 behind the primary/, args.join(" "));
    }
  });

  test("status tells both sides' state, for people and as JSON", async () => {
    await linkBecomes(fleet, ({ health, generation }) => health === "healthy" && generation === 1);
    const status = await primaryStatus(fleet);
    assert.equal(status.ledger.size, acks.length + 1);
    assert.equal(status.backlog.vectors, 0);
    assert.match(await mustRun(fleet.primary, "status"), new RegExp(`${REPLICA_NAME}.*healthy`));
    const held = JSON.parse(await mustRun(fleet.replica, "status", "--json"));
    assert.equal(held.held[0].size, acks.length + 1);
    assert.equal(held.answers.stores[0].spaces[0].space, spaceName(heuristicSpace));
    assert.match(await mustRun(fleet.replica, "status"), new RegExp(fleet.origin));
  });

  test("the query socket answers curl, and answers nothing but GET", async () => {
    const curl = (...args: string[]) =>
      execa("curl", ["-s", "-w", "%{http_code}", "--unix-socket", fleet.replica.socket("query"), ...args]);
    const { stdout } = await curl("http://replica/v1/event?seq=30");
    assert.match(stdout, /"element_id":"bridge:vmbr0".*200$/);
    for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
      assert.match((await curl("-X", method, "http://replica/v1/event?seq=30")).stdout, /"bad-method".*405$/, method);
    }
  });

  test("a low event waits for a seal that is asked for", async () => {
    const { ledger } = await primaryStatus(fleet);
    await ingest(fleet, someEvents(3, "patience"));
    assert.equal((await primaryStatus(fleet)).ledger.generation, ledger.generation);
    const { stdout } = await fleet.replica.run("search", "patience");
    assert.match(stdout, /nothing found/);
    assert.equal(await seal(fleet), ledger.generation + 1);
    await replicaAnswers(fleet, ledger.size + 4);
    assert.match(await mustRun(fleet.replica, "search", "patience"), /interface:eth/);
  });

  test("a critical event takes what waits with it to the replica, with no one asking", async () => {
    const { ledger } = await primaryStatus(fleet);
    await ingest(fleet, [...someEvents(2, "company"), ...someEvents(1, "alarm", { action: "security_breach" })]);
    await bothAnswer(fleet, ledger.size + 4);
    const { results } = await asked("search", "company");
    assert.ok(results.length >= 2);
  });

  test("a high event reaches the replica by itself too", async () => {
    const { ledger } = await primaryStatus(fleet);
    await ingest(fleet, someEvents(1, "down", { action: "bridge_down" }));
    await replicaAnswers(fleet, ledger.size + 2);
  });

  test("with nothing new, seal says so and makes no generation; with force it makes one", async () => {
    // The vector of the critical event may have been late: then it has a generation of its own.
    await eventually(
      async () => {
        const { seals, vectorize } = await primaryStatus(fleet);
        return vectorize.late.waiting === 0 && seals.due === null && !seals.running;
      },
      () => "something still waits for its generation",
    );
    const { ledger } = await primaryStatus(fleet);
    assert.match(await mustRun(fleet.primary, "seal"), /not sealed: nothing new/);
    assert.equal((await primaryStatus(fleet)).ledger.generation, ledger.generation);
    assert.equal(await seal(fleet, { force: true }), ledger.generation + 1);
  });

  test("after several generations each side keeps one, and nothing is left in staging", async () => {
    for (let round = 0; round < 4; round += 1) {
      await ingest(fleet, someEvents(5, `round${round}`));
      await seal(fleet);
    }
    await expectConverged(fleet);
    const { ledger } = await primaryStatus(fleet);
    const replica = await storeOf(fleet, "replica");
    assert.deepEqual(await readdir(replica.staging), []);
    assert.deepEqual(await readdir(replica.generations), [String(ledger.generation)]);
    const [timing] = (await listSubvolumes(fleet.replica.root)).filter((path) => path.endsWith("timing"));
    assert.match(timing ?? "", new RegExp(`generations/${ledger.generation}/timing$`));
  });

  test("a secret value is nowhere in the bytes of either volume, nor in a log", async () => {
    await execa("sync");
    for (const { root, daemon } of [fleet.primary, fleet.replica]) {
      const raw = await execa("grep", ["-a", "-c", SECRET, `${root}.btrfs`], { reject: false });
      assert.equal(raw.stdout, "0");
      // The raw bytes may be compressed: look at the files too.
      const files = await execa("grep", ["-r", "-a", "-l", SECRET, root], { reject: false });
      assert.equal(files.stdout, "");
      assert.ok(!daemon.log.includes(SECRET));
    }
    const { results } = await asked("event", "31");
    assert.doesNotMatch(JSON.stringify(results), new RegExp(SECRET));
    assert.match(JSON.stringify(results), /attic/);
  });

  test("both sides stop in good order when asked to", async () => {
    await expectConverged(fleet);
    for (const side of [fleet.primary, fleet.replica]) {
      const { verdict, size } = JSON.parse(await mustRun(side, "verify", "--json"));
      assert.deepEqual([verdict, size], ["intact", (await primaryStatus(fleet)).ledger.sealed]);
    }
    assert.equal(await fleet.primary.daemon.stop(), 0);
    assert.equal(await fleet.replica.daemon.stop(), 0);
  });
});

interface Answers {
  results: Record<string, unknown>[];
  envelope: Envelope;
}
interface Envelope {
  generation: number;
  seq: number;
  cursor: string;
  behind: { known: boolean; entries: number };
}

/** Asks the replica and the primary; both must give the same results for the same generation, which one may have later. */
async function askBoth(fleet: Fleet, args: string[]): Promise<Answers> {
  let [replica, primary] = [await ask(fleet.replica, args), await ask(fleet.primary, args)];
  await eventually(
    async () => {
      if (replica.envelope.generation === primary.envelope.generation) return true;
      [replica, primary] = [await ask(fleet.replica, args), await ask(fleet.primary, args)];
      return false;
    },
    () => `they answer from ${replica.envelope.generation} and ${primary.envelope.generation}`,
  );
  assert.deepEqual(replica.results, primary.results);
  return replica;
}

async function ask(side: FleetSide, args: string[]): Promise<Answers> {
  const lines = jsonLines<Record<string, unknown>>(await mustRun(side, ...args, "--json"));
  return { results: lines.slice(0, -1), envelope: lines.at(-1) as unknown as Envelope };
}
