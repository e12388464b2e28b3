// Shells that a daemon keeps, where the user's startup files print, read and define what would spoil them.
import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execa } from "execa";
import { PLAIN_BASH } from "../../shared/plain-bash.js";
import { CommandShell } from "../../shared/store/command-shell.js";
import { spawnSpare } from "../../shared/store/spare-processes.js";
import { withFolder } from "../support/with-folder.js";

const STARTUP_FILE = `echo noise
echo noise >&2
touch "$HOME/was-read"
IFS= read -r -d "" word`;

test("a shell that stays answers with what the command wrote alone", async () => {
  await withStartupFiles(async () => {
    const shell = new CommandShell();
    const answer = await shell.run(["--version"]);
    await shell.stop();
    assert.deepEqual([answer.exitCode, answer.stderr], [0, ""]);
    assert.match(answer.stdout, /^btrfs-progs v/);
  });
});

test("a spare gets all of its arguments, and says nothing of its own", async () => {
  await withStartupFiles(async () => {
    const spare = spawnSpare();
    spare.stdin.end("subvolume\0show\0/proc/self\0isochron: end of arguments\0");
    const { exitCode, stderr } = await spare;
    assert.equal(exitCode, 1);
    assert.match(stderr, /^ERROR: /);
  });
});

test("neither a function nor an option from the environment changes what a script does", async () => {
  const env = { "BASH_FUNC_echo%%": "() { printf changed; }", SHELLOPTS: "noexec" };
  assert.equal((await execa("bash", [...PLAIN_BASH, "echo as written"], { env })).stdout, "as written");
});

/** As a daemon finds them that was started from no shell. Node's pipes are sockets, so bash takes itself for a remote login's. */
async function withStartupFiles(body: () => Promise<void>): Promise<void> {
  await withFolder(async (home) => {
    const file = join(home, ".bashrc");
    await writeFile(file, STARTUP_FILE);
    const before = { ...process.env };
    Object.assign(process.env, { HOME: home, BASH_ENV: file });
    delete process.env.SHLVL;
    try {
      await body();
    } finally {
      delete process.env.BASH_ENV;
      Object.assign(process.env, before);
    }
    assert.deepEqual(await readdir(home), [".bashrc"]);
  });
}
