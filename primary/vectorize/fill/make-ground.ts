// The vectorizer's workers and files of rows as fills use them.
import type { EmbedderSpec } from "../../../shared/embed/embedder.js";
import type { RowLevel } from "../../../shared/embed/levels.js";
import type { Priority } from "../../../shared/format/entry.js";
import { spaceName } from "../../../shared/format/space.js";
import { rowBytes } from "../../../shared/format/vector-row.js";
import type { TreeLayout } from "../../../shared/store/layout.js";
import type { EmbedJobs } from "../embed-jobs.js";
import type { SpecOfPriority } from "../embed-protocol.js";
import type { KnownPlaces } from "../known-places.js";
import type { RowSpaces } from "../row-spaces.js";
import type { FillTarget } from "./fill.js";
import type { FillGround } from "./fill-ground.js";

export interface GroundParts {
  /** `live` of the store. */
  tree: TreeLayout;
  jobs: EmbedJobs;
  spaces: RowSpaces;
  places: KnownPlaces;
  /** Workers. */
  lanes: number;
  /** What a level makes its rows with: never what it falls back to. @throws EmbedError */
  specOf: (level: RowLevel) => Promise<EmbedderSpec>;
}

export function makeGround({ tree, jobs, spaces, places, lanes, specOf }: GroundParts): FillGround {
  return {
    lanes,
    target: async (level) => targetOf(await specOf(level)),
    async prepare(level) {
      const spec = await specOf(level);
      await spaces.prepare(spec.space);
      return targetOf(spec);
    },
    seqsOf: (space, size) => spaces.seqsOf(space, size),
    async embed(level, priorities, { from, to, skip }) {
      const { entries, payloads } = tree;
      const range = { entries, payloads, from, to, skip };
      const specs = specsFor(await specOf(level), priorities);
      const { rows, last } = await jobs.embedBehind(range, specs, () => places.before(from));
      if (last) places.note(last);
      return { rows: rows[0], end: last ? last.entry.seq + 1 : to };
    },
    append: (rows) => spaces.append(rows),
  };
}

function targetOf({ space }: EmbedderSpec): FillTarget {
  return { space: spaceName(space), rowBytes: rowBytes(space) };
}

/** Other priorities get nothing. */
function specsFor(spec: EmbedderSpec, priorities: readonly Priority[]): SpecOfPriority {
  return Object.fromEntries(priorities.map((priority) => [priority, spec]));
}
