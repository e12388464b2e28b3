// The shell behind the signs of life, waited for look by look: what it takes for the daemon's state is a pipe of the test's own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, open, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execa } from "execa";
import { LIFE_SCRIPT } from "../../../shared/cli/show-life.js";
import { PLAIN_BASH } from "../../../shared/plain-bash.js";
import { eventually } from "../../support/eventually.js";
import { withFolder } from "../../support/with-folder.js";

const [HELD, COMPUTES] = ["1 (node) D 1", "1 (node) R 1"];

interface Shell {
  /** Waits in vain for a beat, and finds the daemon so. Resolves when all that followed from the look before is done. */
  look(state: string): Promise<void>;
  /** Waits until so many signs have gone out. */
  signs(count: number): Promise<void>;
  sent(): Promise<string[]>;
}

/** Its daemon has given one beat. */
async function withShell(body: (shell: Shell) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const names = ["sent", "systemd-notify", "stat", "beats"] as const;
    const [log, notify, stat, beats] = names.map((name) => join(folder, name)) as [string, string, string, string];
    await writeFile(log, "");
    await writeFile(notify, `#!/bin/bash\necho "$*" >>'${log}'\n`);
    await chmod(notify, 0o755);
    await execa("mkfifo", [stat, beats]);
    // There before the shell: else it may look, and wait to be answered, before the beat has come.
    const stdin = await open(beats, "r+");
    await stdin.write("WATCHDOG=1\tserving\n");
    const sent = async () => (await readFile(log, "utf8")).split("\n").slice(0, -1);
    const shell = spawn("bash", [...PLAIN_BASH, LIFE_SCRIPT, "isochron-life", join("..", folder), "0.02"], {
      stdio: [stdin.fd, "ignore", "inherit"],
      env: { ...process.env, PATH: `${folder}:${process.env.PATH}` },
    });
    const ended = once(shell, "exit");
    try {
      await body({
        async look(state) {
          // Opens once the shell looks.
          const asked = await open(stat, "w");
          // The next look is at another pipe: this one may still be open then.
          await execa("mkfifo", [`${stat}.next`]);
          await rename(`${stat}.next`, stat);
          await asked.write(`${state}\n`);
          await asked.close();
        },
        signs: (count) =>
          eventually(
            async () => (await sent()).length === count,
            () => `not ${count} signs`,
          ),
        sent,
      });
    } finally {
      shell.kill("SIGKILL");
      await ended;
      await stdin.close();
    }
  });
}

test("a sign for a loop that a disk holds goes out after two waits in vain, as long as three beats take, and names the disk", () =>
  withShell(async ({ look, signs, sent }) => {
    await signs(1);
    for (let sign = 2; sign <= 4; sign += 1) {
      await look(HELD);
      await look(HELD);
      await signs(sign);
    }
    assert.deepEqual(
      [...new Set((await sent()).slice(1))],
      ["WATCHDOG=1 STATUS=waits for a disk; before that: serving"],
    );
  }));

test("for a loop that is held by no disk none goes out, however long", () =>
  withShell(async ({ look, signs, sent }) => {
    await signs(1);
    for (let looks = 0; looks < 20; looks += 1) await look(COMPUTES);
    assert.equal((await sent()).length, 1);
    await look(HELD);
    await signs(2);
  }));
