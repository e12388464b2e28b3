// `Applied(t seq)`: which events can be counted on by now. The first of a burst is told at once, what follows within a few
// milliseconds by its highest number only: whoever listens asks for what it misses.

const LEAST_PAUSE_MS = 20;

export class AppliedSignal {
  readonly #emit: (seq: number) => void;
  #highest = -1;
  #told = -1;
  #pause: NodeJS.Timeout | undefined;

  constructor(emit: (seq: number) => void) {
    this.#emit = emit;
  }

  note(seq: number): void {
    this.#highest = Math.max(this.#highest, seq);
    if (!this.#pause) this.#tell();
  }

  stop(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
  }

  #tell(): void {
    this.#pause = undefined;
    if (this.#highest <= this.#told) return;
    this.#told = this.#highest;
    this.#emit(this.#told);
    this.#pause = setTimeout(() => this.#tell(), LEAST_PAUSE_MS);
  }
}
