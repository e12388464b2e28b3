// Which user is behind each caller: asked of the bus once, kept while the caller is on the bus. One for each connection:
// after a restart of the bus its unique names begin anew, and would be someone else's.

/** Callers that are remembered; past it the oldest is asked again. */
const MOST_REMEMBERED = 1024;

export class CallerUsers {
  readonly #ask: (sender: string) => Promise<number>;
  readonly #known = new Map<string, number | Promise<number>>();

  constructor(ask: (sender: string) => Promise<number>) {
    this.#ask = ask;
  }

  /** User id; a promise only where the bus has to be asked. Rejects with DbusError for a caller that has left. */
  of(sender: string): number | Promise<number> {
    const known = this.#known.get(sender);
    if (known !== undefined) return known;
    const asked = this.#ask(sender).then(
      (uid) => {
        // Unless it has left meanwhile.
        if (this.#known.get(sender) === asked) this.#known.set(sender, uid);
        return uid;
      },
      (error: unknown) => {
        this.#known.delete(sender);
        throw error;
      },
    );
    this.#known.set(sender, asked);
    if (this.#known.size > MOST_REMEMBERED) this.#known.delete(this.#known.keys().next().value as string);
    return asked;
  }

  forget(sender: string): void {
    this.#known.delete(sender);
  }
}
