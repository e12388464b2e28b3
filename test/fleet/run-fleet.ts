// `npm run test:fleet`: the rollout on hosts of this machine, step after step, reported like tests. Not part of `npm test`, which
// has to end sooner.
import { fileURLToPath } from "node:url";
import { runFiles } from "../machine/run-files.js";

/** Five hosts on two processors that others use too. */
const TIMEOUT_MS = 3_600_000;

const counts = await runFiles([fileURLToPath(new URL("roll-out.steps.js", import.meta.url))], {
  timeoutMs: TIMEOUT_MS,
});
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0;
