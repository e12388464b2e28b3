// Options of the files source: `sources.files` of the primary's configuration.
import { isAbsolute } from "node:path";
import { z } from "zod";
import { size, wholeNumber } from "../../../shared/config/option-types.js";
import { globProblem } from "./path-glob.js";

/** Their files change all the time, have no content to speak of, or act when they are read. */
const NO_PLACE = /^\/(?:proc|sys|dev)(?:\/|$)/;

function glob() {
  return z
    .string("must be a glob such as /etc/**")
    .min(1, "must be a glob such as /etc/**")
    .superRefine((value, context) => {
      const message = globProblem(value);
      if (message !== undefined) context.addIssue({ code: "custom", message });
    });
}

export const filesOptions = z.strictObject({
  enabled: z
    .boolean("must be true or false")
    .default(true)
    .describe("Record what changes in the files of `watch`; without such a list nothing is watched."),
  watch: z
    .array(
      glob()
        .refine(isAbsolute, "must be an absolute path or glob")
        .refine((value) => !NO_PLACE.test(value), "must not lie in /proc, /sys or /dev"),
    )
    .default([])
    .describe("Globs of the files to watch, such as `/etc/**`. Diffs of text files go into the ledger for ever."),
  ignore: z
    .array(glob())
    .default([])
    .describe("Globs of files and folders to pass over, besides editors' and dpkg's temporary files."),
  secret: z
    .array(glob())
    .default([])
    .describe("Globs of files whose content is never shown, besides the built-in list."),
  max_diff_bytes: size(0, 256 * 1024)
    .prefault("64KiB")
    .describe("Largest text file that diffs are made of, at most 256 KiB. 0: no diffs."),
  max_hash_bytes: size(1024, 1024 ** 4)
    .prefault("64MiB")
    .describe("Larger files are told by size and time only. Hashing reads all of a file at each change."),
  max_files: wholeNumber(1, 1_000_000)
    .default(50_000)
    .describe("Files that are watched at the most; those past it are counted as lost. About 300 bytes of memory each."),
});

export type FilesOptions = z.output<typeof filesOptions>;

/** Whether there is anything to do for the source. */
export function isFilesSourceWanted({ enabled, watch }: FilesOptions): boolean {
  return enabled && watch.length > 0;
}
