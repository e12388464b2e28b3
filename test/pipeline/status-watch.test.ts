// `status --watch` as an operator sees it: on a real terminal, on a pipe, over the daemon's restart.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { eventually, expectConverged, jsonLines, startWithEvents } from "../support/drive-fleet.js";
import { OnTerminal, SCRIPT } from "../support/on-terminal.js";
import { ROOT, requirePart } from "../support/require-part.js";
import { binPath } from "../support/run-cli.js";
import { type Fleet, type FleetSide, makeFleet, REPLICA_NAME } from "../support/start-fleet.js";

const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const FRAME = "\x1b[H";

let fleet: Fleet;

function watchOf(role: "primary" | "replica", side: FleetSide, ...more: string[]): string[] {
  return [process.execPath, binPath(role), "status", "--config", side.configPath, "--watch", "0.2", ...more];
}

/** The frame that was drawn last, without what moves the cursor. */
function lastFrame({ written }: OnTerminal): string {
  return (written.split(FRAME).at(-1) ?? "").replaceAll("\x1b[K", "").replaceAll("\x1b[J", "");
}

async function shows(terminal: OnTerminal, wanted: RegExp): Promise<void> {
  await eventually(
    async () => wanted.test(lastFrame(terminal)),
    () => `${wanted} is not shown:\n${terminal.written.slice(-4000)}`,
  );
}

async function onTerminal(command: string[], body: (terminal: OnTerminal) => Promise<void>): Promise<void> {
  const terminal = new OnTerminal(command);
  terminal.start();
  try {
    await body(terminal);
  } finally {
    await terminal.stop();
  }
}

/** The first screen is given back, and nothing is written to it. */
function assertLeft({ written }: OnTerminal): void {
  assert.equal(written.split(ENTER).length, written.split(LEAVE).length);
  assert.equal(written.slice(written.lastIndexOf(LEAVE) + LEAVE.length), "");
}

/** Runs the command on pipes until `enough` of its output is there, then ends it in the given way. */
async function onPipe(
  command: string[],
  enough: (said: { text: string; error: string }) => boolean,
  end: "SIGTERM" | "close",
) {
  const [bin = "", ...args] = command;
  const child = spawn(bin, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ISOCHRON_CONFIG: "/dev/null" },
  });
  const said = { text: "", error: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    said.text += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    said.error += chunk.toString();
  });
  const ended = once(child, "exit") as Promise<[number | null]>;
  try {
    await eventually(
      async () => enough(said),
      () => `not enough: ${said.text}${said.error}`,
    );
  } finally {
    if (end === "close") child.stdout.destroy();
    else child.kill(end);
  }
  const [code] = await ended;
  return { ...said, code };
}

describe("status --watch", { skip: process.geteuid?.() === 0 ? false : ROOT.howToGet }, () => {
  before(async () => {
    fleet = await makeFleet({ volume: "256M" });
    await startWithEvents(fleet);
  });
  after(() => fleet?.stop());

  test("on a terminal it is drawn over in place, goes on while the primary restarts, and Ctrl-C gives the terminal back", async (t) => {
    if (!(await requirePart(t, SCRIPT))) return;
    await onTerminal(watchOf("primary", fleet.primary), async (terminal) => {
      await shows(terminal, new RegExp(`^.*Ctrl-C ends[\\s\\S]*${REPLICA_NAME} +(healthy|lagging)`));
      assert.equal(terminal.written.split(ENTER).length, 2);
      const frames = terminal.written.split(FRAME).length;
      await eventually(
        async () => terminal.written.split(FRAME).length > frames + 2,
        () => "it is not drawn again",
      );
      await fleet.primary.daemon.stop();
      await shows(
        terminal,
        /nobody listens on [\s\S]*; trying again\. Below is what was so at [\s\S]*(healthy|lagging)/,
      );
      await fleet.primary.daemon.start();
      await shows(terminal, new RegExp(`^[^;]*; Ctrl-C ends\\s+origin[\\s\\S]*${REPLICA_NAME} +(healthy|lagging)`));
      terminal.type("\x03");
      assert.equal(await terminal.ended(), 0);
      assertLeft(terminal);
    });
    await expectConverged(fleet);
  });

  test("a primary that hangs is said to, beside what it last answered, and watched on when it is back", async (t) => {
    if (!(await requirePart(t, SCRIPT))) return;
    await onTerminal(watchOf("primary", fleet.primary), async (terminal) => {
      await shows(terminal, new RegExp(`${REPLICA_NAME} +`));
      process.kill(fleet.primary.daemon.pid, "SIGSTOP");
      try {
        await shows(terminal, /no answer within 10 s; trying again\. Below [\s\S]*origin/);
      } finally {
        process.kill(fleet.primary.daemon.pid, "SIGCONT");
      }
      await shows(terminal, /^[^;]*; Ctrl-C ends\s+origin/);
      terminal.type("\x03");
      assert.equal(await terminal.ended(), 0);
      assertLeft(terminal);
    });
  });

  test("SIGTERM gives the terminal back too, on a replica as well", async (t) => {
    if (!(await requirePart(t, SCRIPT))) return;
    await onTerminal(watchOf("replica", fleet.replica), async (terminal) => {
      await shows(terminal, /ORIGIN[\s\S]*host1\.test/);
      process.kill(terminal.pid as number, "SIGTERM");
      assert.equal(await terminal.ended(), 0);
      assertLeft(terminal);
    });
  });

  test("an error that does not pass by itself gives the terminal back before it is told", async (t) => {
    if (!(await requirePart(t, SCRIPT))) return;
    const broken = [...watchOf("primary", fleet.primary).slice(0, 3), "--config", "/no/such/file", "--watch"];
    await onTerminal(broken, async (terminal) => {
      assert.equal(await terminal.ended(), 1);
      assert.match(terminal.written, /\/no\/such\/file/);
      assert.equal(terminal.written.split(ENTER).length, terminal.written.split(LEAVE).length);
      assert.ok(terminal.written.lastIndexOf(LEAVE) < terminal.written.lastIndexOf("error:"));
    });
  });

  test("on a pipe each time is a block with its time, without anything that a terminal acts on", async () => {
    const { text, code } = await onPipe(
      watchOf("primary", fleet.primary),
      ({ text }) => text.split("origin ").length > 3,
      "SIGTERM",
    );
    assert.equal(code, 0);
    assert.ok(!text.includes("\x1b"));
    const blocks = text.split(/^(?=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$)/m);
    assert.ok(blocks.length > 2);
    for (const block of blocks.slice(0, -1)) assert.match(block, new RegExp(`^${REPLICA_NAME} +[a-z]+ `, "m"));
  });

  test("with --json each time is a line, and a reader that goes away ends it", async () => {
    const command = watchOf("replica", fleet.replica, "--json");
    const { text, code } = await onPipe(command, ({ text }) => text.split("\n").length > 3, "close");
    assert.equal(code, 0);
    const whole = text.slice(0, text.lastIndexOf("\n"));
    assert.ok(jsonLines<{ role: string }>(whole).every(({ role }) => role === "replica"));
  });

  test("on a pipe a primary that is away is said once, and waited for", async () => {
    await fleet.primary.daemon.stop();
    let started: Promise<void> | undefined;
    const backAgain = ({ text, error }: { text: string; error: string }) => {
      if (error.includes("trying again")) started ??= fleet.primary.daemon.start();
      return text.includes("origin ");
    };
    const { error, code } = await onPipe(watchOf("primary", fleet.primary), backAgain, "SIGTERM");
    await started;
    assert.equal(code, 0);
    assert.equal(error.match(/nobody listens on \S+; trying again\n/g)?.length, 1, error);
    await expectConverged(fleet);
  });

  test("an interval that is none is refused with what would be one", async () => {
    for (const interval of ["0", "-1", "x", "1e9"]) {
      const { exitCode, stderr } = await fleet.primary.run("status", `--watch=${interval}`);
      assert.equal(exitCode, 1);
      assert.match(stderr, /--watch is ".*"; write seconds from 0\.1 to 3600/);
    }
  });
});
