// What running daemons export, as a scraper sees it.
import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import { LINK_HEALTH } from "../../primary/push/health/assess-health.js";
import {
  eventually,
  expectConverged,
  ingest,
  linkBecomes,
  mustRun,
  QUIET,
  seal,
  someEvents,
  startWithEvents,
} from "../support/drive-fleet.js";
import { freePort } from "../support/free-port.js";
import { listMetrics, readScrape, scrape, scrapeAll } from "../support/list-metrics.js";
import { program, ROOT, requirePart } from "../support/require-part.js";
import { type Fleet, makeFleet, REPLICA_NAME } from "../support/start-fleet.js";

const ORIGIN = { origin: "host1.test/isochron" };

let fleet: Fleet;
let listen: string;
/** Seconds, by the clock that both daemons have too. */
let began: number;

describe("metrics", { skip: process.geteuid?.() === 0 ? false : ROOT.howToGet }, () => {
  // One fleet for all: each test goes on from the one before. The replica starts first, and the primary finds the port taken.
  before(async () => {
    began = Date.now() / 1000;
    listen = `127.0.0.1:${await freePort()}`;
    const options = { metrics: { listen } };
    const primary = { ...QUIET, ...options, push: { hello_seconds: 1 } };
    fleet = await makeFleet({ volume: "256M", primary, replica: options });
    await startWithEvents(fleet);
  });
  after(() => fleet?.stop());

  test("the configured port serves the same as the sockets; one that is taken does not keep the daemons from their work", async () => {
    const { metrics } = JSON.parse(await mustRun(fleet.replica, "status", "--json"));
    assert.deepEqual(metrics, { listen, listening: true, problem: null });
    // The replica started first.
    const primary = JSON.parse(await mustRun(fleet.primary, "status", "--json"));
    assert.equal(primary.metrics.listening, false);
    assert.match(primary.metrics.problem, /EADDRINUSE/);
    assert.match(await mustRun(fleet.primary, "status"), /^metrics +.*not served.*EADDRINUSE/m);
    assert.equal((await scrape(fleet.primary)).value("isochron_ledger_entries"), 11);
    const scraped = readScrape(await (await fetch(`http://${listen}/metrics`)).text());
    assert.equal(scraped.value("isochron_store_entries", ORIGIN), 11);
    const mode = (await stat(fleet.replica.socket("metrics"))).mode & 0o777;
    assert.equal(mode, 0o660);
  });

  test("both daemons export exactly what is declared, and promtool finds nothing wrong with it", async (t) => {
    if (!(await requirePart(t, program("promtool", "prometheus")))) return;
    for (const role of ["primary", "replica"] as const) {
      const { text, names } = await scrapeAll(fleet[role]);
      const declared = listMetrics().filter(({ daemons }) => daemons.includes(role));
      assert.deepEqual([...names].sort(), declared.map(({ name }) => name).sort());
      const checked = await execa("promtool", ["check", "metrics"], { input: text, reject: false });
      assert.equal(checked.exitCode, 0, `${checked.stdout}${checked.stderr}`);
      assert.equal(`${checked.stdout}${checked.stderr}`, "");
      assert.ok(text.split("\n").every((line) => line === "" || /^#|,?daemon="/.test(line)));
    }
  });

  test("the figures are those of what happened", async () => {
    await ingest(fleet, someEvents(5, "more", { priority: "medium" }));
    const primary = await scrape(fleet.primary);
    assert.equal(primary.value("isochron_ledger_entries"), 16);
    assert.equal(primary.value("isochron_ledger_sealed_entries"), 11);
    assert.equal(primary.value("isochron_ledger_generation"), 1);
    assert.equal(primary.value("isochron_appended_events_total", { source: "socket", priority: "medium" }), 5);
    assert.equal(primary.value("isochron_appended_events_total", { source: "seal", priority: "low" }), 1);
    assert.equal(primary.value("isochron_seal_duration_seconds_count"), 1);
    assert.equal(primary.value("isochron_source_state", { source: "socket", state: "open" }), 1);
    assert.equal(primary.value("isochron_source_written_events_total", { source: "socket" }), 15);
    const link = { replica: REPLICA_NAME };
    const values = LINK_HEALTH.map((state) => primary.value("isochron_link_health", { ...link, state }));
    assert.deepEqual([...values].sort(), [...LINK_HEALTH.slice(1).map(() => 0), 1]);
    // On a busy machine the replica counts as overloaded.
    assert.match(LINK_HEALTH[values.indexOf(1)] ?? "", /^(healthy|lagging)$/);
    assert.equal(primary.value("isochron_link_acked_generation", link), 1);
    assert.equal(primary.value("isochron_link_behind_entries", link), 0);
    assert.equal(primary.value("isochron_pushes_total", { ...link, kind: "full", result: "acked" }), 1);
    assert.equal(primary.value("isochron_push_duration_seconds_count", { ...link, kind: "full" }), 1);
    assert.ok((primary.value("isochron_link_sent_bytes_total", link) ?? 0) > 0);
    const ackedAt = primary.value("isochron_link_last_ack_timestamp_seconds", link) ?? 0;
    const heardAt = primary.value("isochron_link_last_contact_timestamp_seconds", link) ?? 0;
    assert.ok(ackedAt > began && heardAt >= ackedAt, `acked ${ackedAt}, heard ${heardAt}`);

    await mustRun(fleet.replica, "timeline");
    assert.notEqual((await fleet.replica.run("chain", "no-such-element")).exitCode, 0);
    const replica = await scrapeAll(fleet.replica);
    assert.equal(replica.value("isochron_store_entries", ORIGIN), 11);
    assert.equal(replica.value("isochron_store_damaged", ORIGIN), 0);
    assert.equal(replica.value("isochron_receives_total", { ...ORIGIN, kind: "full", result: "ok" }), 1);
    assert.equal(replica.value("isochron_verification_failures_total", ORIGIN), 0);
    assert.equal(replica.value("isochron_verify_duration_seconds_count", ORIGIN), 1);
    assert.equal(replica.value("isochron_query_answered_entries", ORIGIN), 11);
    assert.equal(replica.value("isochron_queries_total", { query: "timeline", result: "ok" }), 1);
    assert.equal(replica.value("isochron_queries_total", { query: "chain", result: "unknown-element" }), 1);
  });

  test("a replica that is told of a generation and cannot take it measures its own lag, until it has it", async () => {
    const before = await scrape(fleet.replica);
    assert.equal(before.value("isochron_store_sealed_lag_seconds", ORIGIN), 0);
    // A staging folder that nothing can be made in: every push fails, every hello goes well.
    const staging = (await execa("find", [fleet.replica.root, "-maxdepth", "3", "-name", "staging"])).stdout;
    await execa("chattr", ["+i", staging]);
    try {
      await ingest(fleet, someEvents(5));
      await seal(fleet);
      await linkBecomes(fleet, ({ health }) => health !== "healthy");
      let lagging = before;
      const refused = { ...ORIGIN, kind: "increment", result: "internal-error" };
      await eventually(
        async () => {
          lagging = await scrape(fleet.replica);
          const { value } = lagging;
          if ((value("isochron_receives_total", refused) ?? 0) === 0) return false;
          return (value("isochron_store_sealed_lag_seconds", ORIGIN) ?? 0) > 1;
        },
        () => lagging.text,
      );
      assert.equal(lagging.value("isochron_store_behind_entries", ORIGIN), 11);
    } finally {
      await execa("chattr", ["-i", staging]);
    }
    await mustRun(fleet.primary, "resync", REPLICA_NAME);
    await expectConverged(fleet);
    const after = await scrape(fleet.replica);
    assert.equal(after.value("isochron_store_sealed_lag_seconds", ORIGIN), 0);
    assert.equal(after.value("isochron_store_behind_entries", ORIGIN), 0);
  });

  test("a primary that is gone is seen by how long it has been silent, and by no lag", async () => {
    await fleet.primary.daemon.stop();
    const heardAt = (await scrape(fleet.replica)).value("isochron_store_last_contact_timestamp_seconds", ORIGIN);
    assert.ok((heardAt ?? 0) > began);
    await fleet.replica.daemon.stop();
    await fleet.replica.daemon.start();
    const { value } = await scrape(fleet.replica);
    assert.equal(value("isochron_store_last_contact_timestamp_seconds", ORIGIN), 0);
    assert.equal(value("isochron_store_lag_seconds", ORIGIN), undefined);
    // When it was promoted is known from before the start.
    assert.ok((value("isochron_store_last_promotion_timestamp_seconds", ORIGIN) ?? 0) > began);
    await fleet.primary.daemon.start();
  });

  test("while the query process is away the daemon's own metrics are there, and say so", async () => {
    await scrapeAll(fleet.replica);
    const { stdout } = await execa("pgrep", ["-P", String(fleet.replica.daemon.pid), "-f", "query-main"]);
    const pid = Number(stdout.trim());
    assert.ok(pid > 0, stdout);
    process.kill(pid, "SIGSTOP");
    try {
      const { value } = await scrape(fleet.replica);
      assert.equal(value("isochron_query_process_up"), 0);
      assert.equal(value("isochron_store_entries", ORIGIN), 22);
      assert.equal(value("isochron_query_ready", ORIGIN), undefined);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await scrapeAll(fleet.replica);
    await expectConverged(fleet);
  });
});
