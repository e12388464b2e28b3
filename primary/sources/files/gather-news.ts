// Notifications on their way to a look: several about one name are one, and a name is looked at once it has been quiet for a
// moment, or after a longer while if it never is. Bounded: many names in one folder become the folder as a whole.

export interface NewsOptions {
  /** A name is looked at when nothing has been heard of it for so long. */
  quietMs: number;
  /** It is looked at after so long even if it is never quiet. */
  longestMs: number;
}

/** What is to be looked at in one folder. */
export interface DueNews {
  folder: string;
  /** Names, each with whether it appeared, vanished or was replaced; undefined: all that is in the folder. */
  names: Map<string, { renamed: boolean }> | undefined;
}

interface Times {
  firstMs: number;
  lastMs: number;
  renamed: boolean;
}

interface FolderNews {
  names: Map<string, Times>;
  whole: Times | undefined;
}

const MAX_NAMES = 256;

export class GatheredNews {
  readonly #options: NewsOptions;
  readonly #folders = new Map<string, FolderNews>();

  constructor(options: NewsOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#folders.size === 0;
  }

  note(folder: string, name: string, renamed: boolean, nowMs: number): void {
    const news = this.#of(folder);
    if (news.whole) touch(news.whole, true, nowMs);
    else if (news.names.size >= MAX_NAMES && !news.names.has(name)) this.noteAll(folder, nowMs);
    else news.names.set(name, touch(news.names.get(name), renamed, nowMs));
  }

  /** Anything in the folder may have changed. */
  noteAll(folder: string, nowMs: number): void {
    const news = this.#of(folder);
    news.whole = touch(news.whole, true, nowMs);
    news.names.clear();
  }

  /** Takes out what has been quiet, or has waited, for long enough. */
  takeDue(nowMs: number): DueNews[] {
    const due: DueNews[] = [];
    for (const [folder, { names, whole }] of this.#folders) {
      if (whole && this.#isDue(whole, nowMs)) {
        this.#folders.delete(folder);
        due.push({ folder, names: undefined });
      } else if (!whole) {
        const quiet = new Map([...names].filter(([, times]) => this.#isDue(times, nowMs)));
        for (const name of quiet.keys()) names.delete(name);
        if (names.size === 0) this.#folders.delete(folder);
        if (quiet.size > 0) due.push({ folder, names: quiet });
      }
    }
    return due;
  }

  #of(folder: string): FolderNews {
    const news = this.#folders.get(folder) ?? { names: new Map(), whole: undefined };
    this.#folders.set(folder, news);
    return news;
  }

  #isDue({ firstMs, lastMs }: Times, nowMs: number): boolean {
    const { quietMs, longestMs } = this.#options;
    return nowMs - lastMs >= quietMs || nowMs - firstMs >= longestMs;
  }
}

function touch(times: Times | undefined, renamed: boolean, nowMs: number): Times {
  if (!times) return { firstMs: nowMs, lastMs: nowMs, renamed };
  times.lastMs = nowMs;
  times.renamed ||= renamed;
  return times;
}
