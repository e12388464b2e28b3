// `npm run release [-- OPTIONS]`: the tarballs of this commit for this platform, in `release/`. Prints each with its digest.
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { makeRelease } from "./make-release.js";

const USAGE = `npm run release [-- OPTIONS]
  --dirty             also from a tree that differs from its commit; the version says so
  --fresh             install and compile the packages anew
  --without-runtime   not the runtime of models
  --project DIR       the checkout to make it from; default this one
  --out DIR           where the tarballs go; default release/ of the checkout
  --cache DIR         where compiled packages are kept; default release/.cache of this checkout
`;

const TOOLS = fileURLToPath(new URL("../../..", import.meta.url));

const abort = new AbortController();
// Not `once`: what ends a group of processes may send it twice.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => abort.abort());

try {
  await run();
} catch (error) {
  const { message, hint } = error as { message: string; hint?: string };
  process.stderr.write(abort.signal.aborted ? "release: interrupted\n" : `release: ${message}\n`);
  if (hint && !abort.signal.aborted) process.stderr.write(`hint: ${hint}\n`);
  process.exitCode = abort.signal.aborted ? 130 : 1;
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      dirty: { type: "boolean", default: false },
      fresh: { type: "boolean", default: false },
      "without-runtime": { type: "boolean", default: false },
      project: { type: "string", default: TOOLS },
      out: { type: "string" },
      cache: { type: "string", default: `${TOOLS}/release/.cache` },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  const project = resolve(values.project);
  const packed = await makeRelease({
    project,
    tools: TOOLS,
    out: resolve(values.out ?? `${project}/release`),
    cache: resolve(values.cache),
    dirty: values.dirty,
    fresh: values.fresh,
    runtime: !values["without-runtime"],
    signal: abort.signal,
    say: (line) => process.stderr.write(`release: ${line}\n`),
  });
  for (const { file, sha256 } of packed) process.stdout.write(`${sha256}  ${file}\n`);
}
