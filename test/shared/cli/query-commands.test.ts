// The commands that look at a whole store, run as a user does, against a real query process.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createLogger } from "../../../shared/log.js";
import { StoreBuilder, someEvents, type TestEvent } from "../../support/build-store.js";
import { startQueryChild } from "../../support/query-child.js";
import { type CliResult, runCli } from "../../support/run-cli.js";
import { withFolder } from "../../support/with-folder.js";

const UUID = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d09";
const OTHER = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d0a";
const log = createLogger("error", () => true);

interface Given {
  run(role: "primary" | "replica", ...args: string[]): Promise<CliResult>;
  /** Seals a second store under the same root, and waits until it is answered. */
  addStore(events: TestEvent[]): Promise<void>;
}

async function withQueries(events: TestEvent[], use: (given: Given) => Promise<void>): Promise<void> {
  await withFolder(async (root) => {
    await (await StoreBuilder.create({ root, uuid: UUID })).seal(events);
    await mkdir(join(root, "run"));
    const socketPath = join(root, "run", "query.sock");
    const queries = await startQueryChild({ root, socketPath, indexProcesses: 1, daemon: "replica", log });
    const addStore = async (events: TestEvent[]) => {
      const { generation } = await (await StoreBuilder.create({ root, uuid: OTHER, origin: "other.example" })).seal(
        events,
      );
      await queries.promoted(OTHER, generation);
    };
    try {
      // On a busy disk a start does not wait for all of the first catch-up.
      await queries.promoted(UUID, 1);
      await use({ run: (role, ...args) => runCli(role, [...args, "--root", root]), addStore });
    } finally {
      await queries.stop();
    }
  });
}

test("of several stores one has to be named", async () => {
  await withQueries(someEvents(4, 2, undefined), async ({ run, addStore }) => {
    await addStore(someEvents(2, 1, undefined));
    for (const command of ["elements", "anomalies", "stats"]) {
      const { stderr } = await run("replica", command);
      assert.match(stderr, new RegExp(`there are several\n.*${OTHER}`));
      const named = await run("replica", command, "--store", "other.example", "--json");
      assert.match(named.stdout, new RegExp(`"store":"${OTHER}"`));
    }
  });
});

test("elements, anomalies and stats answer people with tables and programs with JSON lines", async () => {
  const strange = { element: "tunnel:\u202Et0", type: "Tunnel", actor: "mallory", state: { up: true } };
  const events = someEvents(150, 4, undefined);
  await withQueries([...events, { ...strange, atMicros: Date.UTC(2026, 10, 22) * 1000 }], async ({ run }) => {
    const elements = await run("replica", "elements", "--type", "Tunnel", "--type", "NetworkInterface", "--limit", "2");
    assert.match(
      elements.stdout,
      /^ELEMENT +TYPE +ACTION +TIME +HEIGHT +SEQ +SOURCE\ninterface:eth0 +NetworkInterface /,
    );
    assert.match(elements.stdout, /\nmore: --cursor \S+\ngeneration 1, up to event 151, /);
    const states = await run("primary", "elements", "--prefix", "tunnel:", "--states");
    assert.match(states.stdout, / STATE\ntunnel:\\u\{202e\}t0 .* \{"up":true\}\n/);
    const lines = async (...args: string[]) =>
      (await run("replica", ...args, "--json")).stdout
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    const [eth0, eth1, , , rest] = await lines("elements", "--type", "NetworkInterface", "--states");
    assert.deepEqual(
      [eth0?.element_id, eth1?.seq, (eth1?.state_snapshot as { name?: string } | undefined)?.name],
      ["interface:eth0", 149, "eth1"],
    );
    assert.deepEqual([rest?.size, rest?.cursor], [152, undefined]);

    const anomalies = await run("replica", "anomalies");
    assert.match(
      anomalies.stdout,
      /^1 events from 2026-11-21T00:00:01\.000000Z to .*, against 150 before since 2026-11-20T/,
    );
    assert.match(
      anomalies.stdout,
      /\nBITS +KIND +EVENTS +WHY +SUCH AS\n +8\.2 +new +1 +none of the 150 earlier events was by mallory; /,
    );
    const [found, , window] = await lines("anomalies", "--window", "36h");
    assert.deepEqual([found?.kind, found?.seqs, window?.history_events, window?.found], ["new", [150], 150, 2]);
    const none = await run("replica", "anomalies", "--to", "2026-11-20T00:01", "--window", "30s");
    assert.match(none.stdout, /note: too little .* 29 events, 100 needed\nnothing found\n/);

    const stats = await run("primary", "stats");
    assert.match(
      stats.stdout,
      /^store +test\.example\/isochron +\S+\nroot +\S{44}\nevents +152, of 6 elements\ntimes +2026-11-20T/,
    );
    assert.match(stats.stdout, /\nEVENTS {2}TYPES\n +150 {2}NetworkInterface\n +1 {2}Store\n +1 {2}Tunnel\n/);
    const [counts, envelope] = await lines("stats");
    assert.deepEqual([counts?.events, envelope?.size, envelope?.generation], [152, 152, 1]);
  });
});

test("a bad option is refused with its name, its value and the way out", async () => {
  await withQueries(someEvents(4, 2, undefined), async ({ run }) => {
    for (const [args, said] of [
      [["anomalies", "--window", "soon"], /window is "soon"[\s\S]*write a duration .*24h/],
      [
        ["anomalies", "--window", "1h", "--from", "2026-01-01", "--to", "2026-01-02"],
        /window is "1h"[\s\S]*two of window, from and to/,
      ],
      [["elements", "--type", "A,,B"], /type is "A,,B"[\s\S]*one comma/],
      [["elements", "--limit", "0"], /limit is "0"[\s\S]*1 to 1000/],
      [["elements", "--cursor", "abc"], /cursor is "abc"[\s\S]*leave it out/],
    ] as [string[], RegExp][]) {
      const { exitCode, stderr } = await run("replica", ...args);
      assert.match(stderr, said);
      assert.equal(exitCode, 1);
    }
  });
});
