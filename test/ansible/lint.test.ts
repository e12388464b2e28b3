// The playbooks and roles, by the strictest rules of ansible-lint.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { program, requirePart } from "../support/require-part.js";

const ANSIBLE = fileURLToPath(new URL("../../../ansible/", import.meta.url));

test("ansible-lint finds nothing, by its profile production and without the network", async (t) => {
  if (!(await requirePart(t, program("ansible-lint", "ansible-lint")))) return;
  const options = { cwd: ANSIBLE, reject: false, all: true, stdin: "ignore", env: { NO_COLOR: "1" } } as const;
  const { exitCode, all } = await execa("ansible-lint", ["--nocolor"], options);
  assert.equal(exitCode, 0, all);
  assert.match(all, /Passed with production profile: 0 failure\(s\), 0 warning\(s\)/);
});
