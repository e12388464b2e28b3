// The words of the feed: JSON lines on `feed.sock`, by which a daemon and the service that answers its queries know of each
// other. The first line of each side names the version; a change of any word is a new one. Both sides may have been
// upgraded alone, and neither trusts the other's lines: the daemon is root, and the service answers strangers.
import { z } from "zod";

export const FEED_VERSION = 1;

const store = z.string().min(1).max(64);
const generation = z.int().min(1);
const size = z.int().min(0);
const version = z.string().max(64).catch("unknown");
const pid = z.int().min(0).catch(0);
const words = z.string().transform((text) => text.slice(0, 1000));

/** Read of whatever version it is, so that an older or newer side can be told in words. */
const hello = z.object({ op: z.literal("hello"), feed: z.int(), version, pid });

export const serviceLine = z.discriminatedUnion("op", [
  hello,
  z.object({ op: z.literal("answered"), store, generation, size }),
  z.object({ op: z.literal("not-answered"), store, generation, error: words }),
  z.object({ op: z.literal("pong") }),
]);

export const daemonLine = z.discriminatedUnion("op", [
  z.object({ op: z.literal("welcome"), feed: z.int(), version, pid }),
  z.object({ op: z.literal("refused"), feed: z.int(), reason: words }),
  z.object({ op: z.literal("promoted"), store, generation }),
  z.object({ op: z.literal("primary-head"), store, head: z.object({ size, atMs: z.number(), generation }) }),
  z.object({ op: z.literal("ping") }),
]);

export type ServiceLine = z.output<typeof serviceLine>;
export type ServiceHello = z.output<typeof hello>;
export type DaemonLine = z.output<typeof daemonLine>;
