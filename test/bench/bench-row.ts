// One line of what a bench found. `npm run bench -- --json FILE` writes an array of these.

export interface BenchRow {
  bench: string;
  metric: string;
  unit: string;
  ours: number | null;
  /** The same work done by the plainest tool that can do it, in the same run. */
  yardstick: number | null;
  /** `ours / yardstick`, the larger the better unless the metric says otherwise. */
  ratio: number | null;
  goal: string;
  /** Null when the row has no goal or could not be judged. */
  met: boolean | null;
}
