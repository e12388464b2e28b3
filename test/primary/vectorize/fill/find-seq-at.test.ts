// From a time to a place in the ledger.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { findSeqAt } from "../../../../primary/vectorize/fill/find-seq-at.js";
import { segmentName } from "../../../../shared/format/segment-name.js";
import { formatTimestamp, parseTimestamp } from "../../../../shared/format/timestamp.js";
import { withFolder } from "../../../support/with-folder.js";

const BEGIN = parseTimestamp("2026-11-20T10:00:00Z");
const timeOf = (seq: number) => formatTimestamp(BEGIN + seq * 1_000_000);

test("a time is the first event that was recorded then or later, in whatever segment", () =>
  withFolder(async (folder) => {
    const entries = join(folder, "entries");
    await mkdir(entries);
    for (const first of [0, 4, 8]) {
      const lines = [0, 1, 2, 3].map((i) => `${JSON.stringify({ recorded: timeOf(first + i) })}\n`);
      await writeFile(join(entries, segmentName(first, "jsonl")), lines.join(""));
    }
    for (let seq = 0; seq < 12; seq += 1) {
      assert.equal(await findSeqAt(entries, timeOf(seq), 12), seq);
      assert.equal(await findSeqAt(entries, formatTimestamp(BEGIN + seq * 1_000_000 - 1), 12), seq);
    }
    assert.equal(await findSeqAt(entries, timeOf(12), 12), 12);
    // Entries behind the ledger's end are not looked at.
    assert.equal(await findSeqAt(entries, timeOf(9), 6), 6);
  }));
