import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { makeCgroups } from "./nspawn.js";
import { ROOT, requirePart } from "./require-part.js";
import { until } from "./until.js";

/** Like what a booted container leaves: it has no parent that would end it, and stands in a group below ours. */
async function leaveBehind(paths: readonly string[]): Promise<ChildProcess> {
  const script =
    'for cgroup; do mkdir "$cgroup/below"; echo $$ >"$cgroup/below/cgroup.procs"; done; echo in; exec sleep 600';
  const left = spawn("setsid", ["sh", "-c", script, "sh", ...paths], { stdio: ["ignore", "pipe", "inherit"] });
  await once(left.stdout, "data");
  return left;
}

test("what still runs in a control group ends with the group", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  const cgroups = await makeCgroups(`isochron-test-${process.pid}`);
  assert.ok(cgroups.paths.length > 0, "systemd has no control groups here");
  const left = await leaveBehind(cgroups.paths);
  const ended = once(left, "exit");
  await cgroups.remove();
  assert.equal((await ended)[1], "SIGKILL");
  assert.deepEqual(
    cgroups.paths.filter((path) => existsSync(path)),
    [],
  );
});

test("also when whoever made the group is killed", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  const name = `isochron-test-${process.pid}-killed`;
  const script = `import { makeCgroups } from ${JSON.stringify(new URL("nspawn.js", import.meta.url).href)};
    console.log(JSON.stringify((await makeCgroups(${JSON.stringify(name)})).paths));
    setInterval(() => {}, 1000);`;
  const maker = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [told] = await once(maker.stdout, "data");
  const paths = JSON.parse(String(told)) as string[];
  const left = await leaveBehind(paths);
  const ended = once(left, "exit");
  maker.kill("SIGKILL");
  assert.equal((await ended)[1], "SIGKILL");
  await until(() => !paths.some((path) => existsSync(path)));
});
