// What makes each link's pace from the configuration: all of them share the limit on all links.
import type { Logger } from "../shared/log.js";
import { zstdIsThere } from "../shared/zstd.js";
import type { PrimaryConfig } from "./config.js";
import { RateLimit } from "./push/pace/limit-rate.js";
import { LinkPace } from "./push/pace/pace-link.js";
import { sendsCompressedData } from "./push/wire/choose-protocol.js";

/** The pace of a link with this limit of its own, in bits a second. */
export async function makePaces(
  { push }: Pick<PrimaryConfig, "push">,
  log: Logger,
): Promise<(limitBps: number | undefined) => LinkPace> {
  const zstd = await zstdIsThere();
  if (!zstd && push.compression !== "none") {
    log.warn("pushes are not compressed: the program zstd is not installed", { compression: push.compression });
  }
  const extents = await sendsCompressedData();
  const shared = push.limit === undefined ? [] : [new RateLimit(push.limit)];
  return (limitBps) =>
    new LinkPace({
      compression: zstd ? push.compression : "none",
      zstdLevel: push.zstd_level,
      compressedData: extents ? push.compressed_data : "never",
      zstd,
      limits: [...(limitBps === undefined ? [] : [new RateLimit(limitBps)]), ...shared],
      nowMs: () => performance.now(),
    });
}
