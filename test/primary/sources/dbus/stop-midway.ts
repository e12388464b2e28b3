// Run by service-watch.test.ts as a process of its own: watches, waits for a moment, stops. Whatever is left then (a timer,
// a connection) keeps the process from ending.
import { BusWatch } from "../../../../primary/sources/dbus/bus-watch.js";
import { withLedger } from "../../../support/with-ledger.js";
import { SOURCE, watchedThings } from "./thing-service.js";
import { serviceState, until } from "./with-watch.js";

/** Far beyond what a test waits: a timer of it that is left shows. */
const NEVER_MS = 600_000;

const [address = "", moment = ""] = process.argv.slice(2);
const moments: Record<string, (watch: BusWatch) => boolean> = {
  // Nobody listens at the address: it waits to try again.
  "no-bus": (watch) => watch.state().problem !== "not connected yet",
  "no-service": (watch) => watch.state().connected === true,
  // The service holds its answer back.
  snapshot: (watch) => serviceState(watch, SOURCE).present === true,
  // `Later` waits for its time.
  soon: (watch) => serviceState(watch, SOURCE).watching === true && told,
  // The snapshot fails and is tried again later.
  failing: (watch) => serviceState(watch, SOURCE).present === true && failures > 0,
};
let told = false;
let failures = 0;

await withLedger(async (ledger) => {
  const things = watchedThings();
  const service: typeof things = {
    ...things,
    snapshot: (peer) => {
      if (moment !== "failing") return things.snapshot(peer);
      failures += 1;
      return Promise.reject(new Error("no list today"));
    },
    signal: (message, peer) => {
      things.signal(message, peer);
      told = true;
    },
  };
  const watch = new BusWatch({ address, services: [service], parts: ledger.parts, coalesceMs: NEVER_MS });
  await watch.start(new AbortController().signal);
  process.stdout.write("started\n");
  await until(moment, () => moments[moment]?.(watch) === true);
  await watch.stop();
  process.stdout.write("stopped\n");
});
