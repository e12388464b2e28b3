// `npm run bench [-- NAME…] [--json FILE] [--data DIR]`: runs the benches named, or all, one after another, and prints one table. Each
// bench measures its yardstick in the same run, because machines differ and are noisy: read the ratios.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { type Column, formatTable } from "../../shared/cli/table.js";
import type { BenchRow } from "./bench-row.js";
import { benchDbus } from "./dbus.js";
import { benchEmbed } from "./embed.js";
import { benchFleet } from "./fleet.js";
import { benchIngest } from "./ingest.js";
import { benchLatency } from "./latency.js";
import { benchNet } from "./net.js";
import { benchPush } from "./push.js";
import { benchRelevance } from "./relevance.js";
import { benchSearch } from "./search.js";
import { benchDtypes } from "./search-dtypes.js";
import { benchWire } from "./wire.js";

const BENCHES: Record<string, (dataDir?: string) => Promise<BenchRow[]>> = {
  ingest: benchIngest,
  latency: benchLatency,
  push: benchPush,
  wire: benchWire,
  search: async () => [...(await benchSearch()), ...(await benchDtypes())],
  relevance: benchRelevance,
  embed: benchEmbed,
  dbus: benchDbus,
  fleet: benchFleet,
  net: benchNet,
};

const COLUMNS: Column<BenchRow>[] = [
  { title: "BENCH", value: ({ bench }) => bench },
  { title: "METRIC", value: ({ metric }) => metric },
  { title: "UNIT", value: ({ unit }) => unit },
  { title: "OURS", value: ({ ours }) => formatNumber(ours), right: true },
  { title: "YARDSTICK", value: ({ yardstick }) => formatNumber(yardstick), right: true },
  { title: "RATIO", value: ({ ratio }) => formatNumber(ratio), right: true },
  { title: "GOAL", value: ({ goal }) => goal },
  { title: "MET", value: ({ met }) => (met === null ? "-" : met ? "yes" : "no") },
];

const { values, positionals } = parseArgs({
  options: { json: { type: "string" }, data: { type: "string" } },
  allowPositionals: true,
});
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
const unknown = names.find((name) => !(name in BENCHES));
if (unknown !== undefined) {
  process.stderr.write(
    `error: there is no bench ${JSON.stringify(unknown)}; there are ${Object.keys(BENCHES).join(", ")}\n`,
  );
  process.exit(1);
}

const rows: BenchRow[] = [];
for (const name of names) {
  // What the bench before has written goes to the disk first, and not in the middle of this one.
  await execa("sync");
  process.stderr.write(`bench ${name}\n`);
  rows.push(...(await (BENCHES[name] as (typeof BENCHES)[string])(values.data)));
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(rows, null, 2)}\n`);
}
process.stdout.write(`${formatTable(rows, COLUMNS)}\n`);

function formatNumber(value: number | null): string {
  if (value === null) return "-";
  return Math.abs(value) >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}
