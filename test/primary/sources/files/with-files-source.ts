// A files source over a real folder and a real ledger, as fast as a test wants it.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SECRET_TERMS } from "../../../../primary/admit/secret-keys.js";
import { createFilesSource, type FilesPace } from "../../../../primary/sources/files/files-source.js";
import { type FilesOptions, filesOptions } from "../../../../primary/sources/files/options.js";
import type { Source } from "../../../../primary/sources/source.js";
import type { JsonObject } from "../../../../primary/sources/watch/element-change.js";
import { until } from "../../../support/until.js";
import { type TestLedger, withLedger } from "../../../support/with-ledger.js";

export interface FilesTest {
  ledger: TestLedger;
  /** The watched folder. */
  folder: string;
  source: Source;
  /** Events so far: path below the folder, action, state without `change`, and `change`. */
  told(): Told[];
  /** Waits until an event of this path and action is there; gives the newest. */
  heard(path: string, action: string, count?: number): Promise<Told>;
  /** Waits until the source has told of a new file: so it has told of everything before. */
  settle(): Promise<void>;
  /** Stops the source, lets `meanwhile` happen, and starts another one on the same ledger. */
  restart(meanwhile: () => Promise<void> | void, options?: Partial<FilesOptions>): Promise<void>;
}

export interface Told {
  path: string;
  action: string;
  state: JsonObject;
  change: JsonObject;
}

/** Long enough that a busy machine does not end a pause within a test's own step. */
export const PACE: FilesPace = { quietMs: 60, longestMs: 2000, walkMs: 3_600_000, pollMs: 3_600_000 };
const MARK = "zz-mark";

export async function withFilesSource(
  body: (test: FilesTest) => Promise<void>,
  settings: {
    options?: Partial<FilesOptions>;
    pace?: FilesPace;
    /** Default: all in the folder. */
    watch?: (folder: string) => string[];
    prepare?: (folder: string) => Promise<void>;
  } = {},
): Promise<void> {
  await withLedger(async (ledger) => {
    const folder = join(ledger.folder, "watched");
    await mkdir(folder, { mode: 0o755 });
    await settings.prepare?.(folder);
    const make = (options: Partial<FilesOptions> | undefined): Source => {
      const given = filesOptions.parse({ watch: settings.watch?.(folder) ?? [`${folder}/**`] });
      const place = {
        textsPath: textsPath(ledger),
        keyPath: join(ledger.folder, "files-key"),
        own: [join(folder, "own")],
        redactKeys: SECRET_TERMS,
      };
      return createFilesSource({ ...given, ...options }, place, ledger.parts, { ...PACE, ...settings.pace });
    };
    const start = async (source: Source) => {
      await source.start(new AbortController().signal);
      await until(() => Number(source.state().walks ?? 0) > 0 && source.state().queued === 0);
    };
    const test: FilesTest = {
      ledger,
      folder,
      source: make(settings.options),
      told: () => told(ledger, folder),
      async heard(path, action, count = 1) {
        const of = () => test.told().filter((event) => event.path === path && event.action === action);
        await until(() => of().length >= count);
        return of().at(-1) as Told;
      },
      async settle() {
        const mark = join(folder, MARK);
        const state = () => ledger.parts.known.get("files", `file:${mark}`)?.stateJson ?? "{}";
        await writeFile(mark, "");
        await until(() => state() !== "{}");
        await rm(mark);
        await until(() => state() === "{}");
      },
      async restart(meanwhile, options) {
        await test.source.stop();
        await meanwhile();
        await ledger.restart();
        test.source = make({ ...settings.options, ...options });
        await start(test.source);
      },
    };
    try {
      await start(test.source);
      await body(test);
    } finally {
      await test.source.stop();
    }
  });
}

export function textsPath(ledger: TestLedger): string {
  return join(ledger.folder, "sources", "texts.db");
}

function told(ledger: TestLedger, folder: string): Told[] {
  const events = ledger.events("files").filter(({ element }) => !element.endsWith(MARK));
  return events.map(({ element, action, state: { change = {}, ...state } }) => {
    const path = element.replace(`file:${folder}`, "").replace(/^\//, "") || ".";
    return { path, action, state, change: change as JsonObject };
  });
}
