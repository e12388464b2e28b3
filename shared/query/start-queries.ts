// Who answers a daemon's queries: a child of its own, or, where the configuration names a user, a service without privileges
// that connects by itself. The daemon tells both the same, and never waits for either.
import type { SystemUser } from "../config/find-user.js";
import type { Logger } from "../log.js";
import { readVersion } from "../read-version.js";
import { RootLayout } from "../store/layout.js";
import { openStoresToQueries, openStoreToQueries } from "../store/open-to-queries.js";
import { type FeedState, QueryFeed } from "./feed/serve-feed.js";
import type { PrimaryHead, QueryOptions } from "./query-message.js";
import { startQueryProcess } from "./query-process.js";
import { NewsTeller, type NewsTellerOptions } from "./tell-news.js";

export interface StartQueriesOptions extends QueryOptions, NewsTellerOptions {
  /** The service's user; undefined has a child of the daemon answer. */
  user: SystemUser | undefined;
  feedPath: string;
  /** Whether the store is here. */
  isKnown(store: string): boolean;
  /** Added to the nice value of a child and its children. A primary's queries give way to its ledger. */
  niceness?: number;
  log: Logger;
}

/** What `status` says of who answers. */
export type AnsweredBy = { by: "child" } | ({ by: "service" } & FeedState);

export interface Queries {
  /** Says that `<store>/current` now is `generation`. */
  promoted(store: string, generation: number): void;
  /** What the primary last said about its own ledger: answers say how far behind it they are. */
  setPrimaryHead(store: string, head: PrimaryHead): void;
  state(): AnsweredBy;
  stop(): Promise<void>;
}

/** Resolves when the child has the socket, or the feed listens. @throws StoreError `in-use` */
export async function startQueries(options: StartQueriesOptions): Promise<Queries> {
  const { root, user, log } = options;
  const teller = new NewsTeller(options);
  await openStoresToQueries(root, user, log);
  const answering = user ? await startFeed(options, user, teller) : await startChild(options, teller);
  const layout = new RootLayout(root);
  const opening = new Map<string, Promise<void>>();
  /** A new store's folder is there from its first promotion on. */
  const opened = (store: string) =>
    openStoreToQueries(layout.store(store), user, log)
      .catch((error: unknown) => log.error("a store cannot be opened to queries", { store, error }))
      .finally(() => opening.delete(store));
  return {
    ...answering,
    promoted(store, generation) {
      const open = opening.get(store) ?? opened(store);
      opening.set(store, open);
      void open.then(() => teller.promoted(store, generation));
    },
    setPrimaryHead: (store, head) => teller.setPrimaryHead(store, head),
  };
}

type Answering = Pick<Queries, "state" | "stop">;

async function startChild(options: StartQueriesOptions, teller: NewsTeller): Promise<Answering> {
  const child = await startQueryProcess({ ...options, teller });
  return { state: () => ({ by: "child" }), stop: () => child.stop() };
}

async function startFeed(
  { feedPath, isKnown, log }: StartQueriesOptions,
  user: SystemUser,
  teller: NewsTeller,
): Promise<Answering> {
  const feed = new QueryFeed({ socketPath: feedPath, user, version: readVersion(), teller, isKnown, log });
  await feed.start();
  return { state: () => ({ by: "service", ...feed.state() }), stop: () => feed.stop() };
}
