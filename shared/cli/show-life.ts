// A daemon's signs of life for systemd's watchdog, and its requests for more time while it starts. From here come beats, one for each
// turn of a timer of the event loop; a shell makes signs of them. It also speaks for a daemon whose loop the kernel holds because a
// disk does not answer: databases of the store are written from the loop, and no restart cures a disk. A process of its own,
// because one that waits so in a page fault can neither start another nor allocate, in none of its threads.
import { type ChildProcess, spawn } from "node:child_process";
import { PLAIN_BASH } from "../plain-bash.js";
import { statusText, watchdogTimeMs } from "./notify-systemd.js";

export interface Living {
  /** One line of how it is doing. Cheap, and never throws. */
  describe?(): string;
  /**
   * What hangs now and would not after a restart: something that has taken longer than `patienceMs` and waits for nothing
   * outside of the daemon. Never throws.
   */
  findHang?(patienceMs: number): string | undefined;
}

/** Of the watchdog's time. What is merely slow has come to its end by then. */
const PATIENCE = 2;
/** Beats to a sign: signs go out at half of the time, and what did not get through is sent again with the next beat. */
const BEATS = 4;
/** Where systemd wants no signs, requests for more time alone. */
const WITHOUT_WATCHDOG_MS = 60_000;
/** More time for the start, from each request on. */
const EXTENSION = "EXTEND_TIMEOUT_USEC=120000000";

/**
 * Its arguments: the daemon, and the seconds that it waits for a beat. A beat is a line: the assignment to send, a tab, the
 * status. A wait may end in the middle of a line, and what was read of it is kept. One in vain is longer than a beat and counts
 * for two: signs for a loop that is held must not go out later than its own.
 */
export const LIFE_SCRIPT = `line= sign= status= wait=0
while :; do
  alive=1 note=
  IFS= read -r -t "$2" more
  code=$? line+=$more
  if ((code == 0)); then sign=\${line%%$'\t'*} status=\${line#*$'\t'} line=
  elif ((code <= 128)); then exit 0
  else
    ((wait -= 1))
    stat=
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null
    if [[ \${stat##*) } == D* ]]; then note="waits for a disk; before that: "; else alive=0; fi
  fi
  ((--wait > 0 || !alive)) || [[ -z $sign ]] || { systemd-notify "$sign" "STATUS=$note$status" && wait=${BEATS}; }
done`;

export class LifeSigns {
  #shell: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #daemon: Living | undefined;

  /**
   * From now on systemd waits for the start however long it takes, as long as there is life: to verify a large store again, after
   * its index was deleted, takes many minutes, and a start that is killed for it would begin anew, for ever.
   */
  start(): void {
    if (process.env.NOTIFY_SOCKET === undefined) return;
    const everyMs = (watchdogTimeMs() ?? WITHOUT_WATCHDOG_MS) / (2 * BEATS);
    const args = [
      ...PLAIN_BASH,
      LIFE_SCRIPT,
      "isochron-life",
      String(process.pid),
      ((1.5 * everyMs) / 1000).toFixed(3),
    ];
    this.#shell = spawn("bash", args, { stdio: ["pipe", "ignore", "ignore"] });
    // Without it the watchdog ends the daemon, as it should; an error that nobody hears would end it at once.
    this.#shell.on("error", () => undefined);
    this.#shell.stdin?.on("error", () => undefined);
    this.#timer = setInterval(() => this.#beat(), everyMs);
    this.#beat();
  }

  /** The start is over: from now on signs are sent if systemd wants any. */
  started(daemon: Living): void {
    this.#daemon = daemon;
    if (watchdogTimeMs() === undefined) this.stop();
    else this.#beat();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#shell?.stdin?.end();
    this.#shell = undefined;
  }

  #beat(): void {
    const stdin = this.#shell?.stdin;
    // One that does not read gets no more: what waits is bounded.
    if (!stdin || stdin.writableNeedDrain) return;
    const [sign, status] = this.#sign();
    stdin.write(`${sign}\t${statusText(status)}\n`);
  }

  /** A hang ends in SIGABRT at once: an orderly stop would wait for what hangs. */
  #sign(): [sign: string, status: string] {
    const daemon = this.#daemon;
    if (!daemon) return [EXTENSION, "starting: recovering what is on disk"];
    const hang = daemon.findHang?.((watchdogTimeMs() ?? 0) * PATIENCE);
    return hang === undefined ? ["WATCHDOG=1", daemon.describe?.() ?? "serving"] : ["WATCHDOG=trigger", hang];
  }
}
