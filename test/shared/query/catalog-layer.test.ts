// The catalog against rows in memory: the tail's plain filters are what SQL and its indices must agree with.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { leafHash } from "../../../shared/format/hash.js";
import { Catalog, type CatalogRow } from "../../../shared/query/catalog.js";
import { CatalogLayer } from "../../../shared/query/catalog-layer.js";
import type { EventLayer, EventRow } from "../../../shared/query/event-layer.js";
import { TailLayer } from "../../../shared/query/tail-layer.js";
import { NAME_TALLIES } from "../../../shared/query/tallies.js";
import { seededRandom } from "../../support/build-store.js";
import { withFolder } from "../../support/with-folder.js";

const STORE = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d06";
const place = { fileSeq: 0, offset: 0, length: 1 };
/** Names whose order by bytes is not that by UTF-16 units, and that are prefixes of one another. */
const ELEMENTS = ["a", "ab", "ab:1", "ab:2", "ab\u{10FFFF}x", "b", "é", "\uFFFD", "\u{1F600}", "\u{1F600}:2", "%", "_"];

/** Elements change their type and source now and then; times go back now and then. */
function someRows(count: number): CatalogRow[] {
  const random = seededRandom(11);
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
  const heights = new Map<string, number>();
  return Array.from({ length: count }, (_, seq) => {
    const element = pick(ELEMENTS);
    const height = heights.get(element) ?? 0;
    heights.set(element, height + 1);
    return {
      seq,
      element,
      height,
      type: pick(["T", "U", "same"]),
      action: pick(["created", "modified", "deleted"]),
      actor: pick(["admin", "dhcp"]),
      source: pick(["test", "other", "same"]),
      priority: pick(["low", "high"]),
      atMicros: seq * 10 - (random() < 0.2 ? 100 : 0),
      hash: leafHash(Buffer.from(`${seq}`)),
      entry: place,
      payload: place,
      words: undefined,
    };
  });
}

/** A layer over a catalog that has more rows than `answered`: a catch-up is under way. */
async function withLayers(count: number, use: (layers: EventLayer[], catalog: Catalog) => void): Promise<void> {
  const rows = someRows(count);
  const events = rows.map(({ entry: _e, payload: _p, words: _w, ...row }) => ({
    row: row as EventRow,
    stored: never(),
  }));
  await withFolder(async (folder) => {
    const catalog = Catalog.open(join(folder, "catalog.db"), STORE);
    try {
      for (let at = 0; at < count; at += 17) catalog.fill(rows.slice(at, at + 17));
      use([new CatalogLayer(catalog, never), new TailLayer(events)], catalog);
    } finally {
      catalog.close();
    }
  });
}

/** No bytes are read here. */
function never(): never {
  return undefined as never;
}

const SIZES = [0, 1, 40, 199, 200];

test("elements of every filter and at every size are those of the rows, page by page", async () => {
  await withLayers(200, ([catalog, rows]) => {
    const prefixes = ["", "a", "ab", "ab:", "ab\u{10FFFF}", "\u{10FFFF}", "\u{1F600}", "\uFFFD", "%", "none"];
    const filters = [{}, { types: ["T"] }, { types: ["U", "T", "none"] }, { source: "same" }, { types: ["same"] }];
    for (const below of SIZES) {
      for (const prefix of prefixes) {
        for (const more of [...filters, { types: ["same", "T"], source: "same" }, { source: "none" }]) {
          const whole = rows?.elements({ prefix, ...more }, 100, below);
          assert.deepEqual(catalog?.elements({ prefix, ...more }, 100, below), whole);
          const paged: EventRow[] = [];
          for (let page: EventRow[] | undefined; page === undefined || page.length > 0; paged.push(...page)) {
            page = catalog?.elements({ prefix, ...more, after: paged.at(-1)?.element }, 2, below) ?? [];
          }
          assert.deepEqual(paged, whole);
        }
      }
      assert.equal(catalog?.elementCount(below), rows?.elementCount(below));
    }
    assert.equal(catalog?.elements({ prefix: "" }, 100, 200).length, ELEMENTS.length);
  });
});

test("counts of every size are those of the rows, though the catalog is filled further", async () => {
  await withLayers(200, ([catalog, rows]) => {
    for (const below of SIZES) {
      const [counted, wanted] = [catalog?.tallies(below), rows?.tallies(below)];
      for (const kind of NAME_TALLIES) {
        for (const limit of [1, 2, 50]) assert.deepEqual(counted?.frequent(kind, limit), wanted?.frequent(kind, limit));
      }
      for (const type of ["T", "same", "none"]) {
        for (const limit of [1, 50]) {
          assert.deepEqual(counted?.frequent("type-action", limit, type), wanted?.frequent("type-action", limit, type));
        }
      }
      for (const [type, action] of [
        ["T", "created"],
        ["same", "deleted"],
        ["T", "none"],
        ["none", "created"],
      ] as const) {
        assert.equal(counted?.count("type-action", type, action), wanted?.count("type-action", type, action));
      }
    }
    assert.equal(
      catalog?.tallies(200).count("type-actor", "U", "dhcp"),
      rows?.tallies(200).count("type-actor", "U", "dhcp"),
    );
  });
});

test("events of a span are counted as the rows are", async () => {
  await withLayers(200, ([catalog, rows]) => {
    for (const below of SIZES) {
      for (const span of [
        { fromMicros: Number.MIN_SAFE_INTEGER, toMicros: Number.MAX_SAFE_INTEGER },
        { fromMicros: 500, toMicros: 1200 },
        { fromMicros: 700, toMicros: 700 },
        { fromMicros: 9, toMicros: 8 },
      ]) {
        assert.equal(catalog?.countBetween(span, below), rows?.countBetween(span, below));
        for (const byElement of [false, true]) {
          assert.deepEqual(summed(catalog, span, byElement, below), summed(rows, span, byElement, below));
        }
      }
      for (const element of [...ELEMENTS, "none"]) {
        assert.equal(catalog?.firstMicros(element, below), rows?.firstMicros(element, below));
        for (const [action, most] of [
          ["created", 3],
          ["deleted", 100],
          [undefined, 100],
          ["none", 9],
        ] as const) {
          const wanted = rows?.countBefore(element, action, 1000, most, below);
          assert.equal(catalog?.countBefore(element, action, 1000, most, below), wanted);
        }
      }
    }
  });
});

test("after a fill that failed midway, the next one leaves a catalog as if it had not been", async () => {
  await withLayers(60, ([layer, rows], catalog) => {
    const [first] = someRows(1);
    const later = (seq: number, name: string) => ({
      ...(first as CatalogRow),
      seq,
      element: name,
      type: `type of ${name}`,
      source: `source of ${name}`,
      height: 0,
    });
    catalog.db.exec(
      "CREATE TRIGGER full BEFORE INSERT ON entries WHEN new.seq = 61 BEGIN SELECT RAISE(ABORT, 'full'); END",
    );
    const batch = [later(60, "new"), later(61, "newer")];
    assert.throws(() => catalog.fill(batch), /full/);
    assert.equal(catalog.meta().filled, 60);
    assert.deepEqual(layer?.tallies(60).frequent("type", 9), rows?.tallies(60).frequent("type", 9));
    catalog.db.exec("DROP TRIGGER full");
    // In another order than before: ids that the first attempt gave out would now be those of other names.
    catalog.fill([later(60, "newer"), later(61, "new")]);
    for (const name of ["new", "newer"]) {
      const seqs = layer?.elements({ prefix: "", types: [`type of ${name}`] }, 9, 62).map(({ seq }) => seq);
      assert.deepEqual(seqs, [name === "new" ? 61 : 60]);
      assert.equal(layer?.tallies(62).count("source", `source of ${name}`), 1);
    }
  });
});

test("an element is listed by every source that its newest event can be of, though its type stays", async () => {
  await withLayers(1, ([layer], catalog) => {
    const [first] = someRows(1);
    const rows = ["one", "two", "one", "three"].map((source, i) => {
      return { ...(first as CatalogRow), seq: 1 + i, element: "x", height: i, type: "T", source };
    });
    catalog.fill(rows);
    for (const [i, { source }] of rows.entries()) {
      const listed = layer?.elements({ prefix: "x", source }, 9, 2 + i).map(({ seq }) => seq);
      assert.deepEqual(listed, [1 + i]);
    }
  });
});

/** Groups of the same names added up, in order. */
function summed(
  layer: EventLayer | undefined,
  span: { fromMicros: number; toMicros: number },
  byElement: boolean,
  below: number,
) {
  const sums = new Map<string, { count: number; firstSeq: number; lastSeq: number }>();
  for (const { element, type, action, actor, ...group } of layer?.groups(span, byElement, below) ?? []) {
    const key = JSON.stringify([element, type, action, actor]);
    const known = sums.get(key) ?? { count: 0, firstSeq: group.firstSeq, lastSeq: group.lastSeq };
    const firstSeq = Math.min(known.firstSeq, group.firstSeq);
    const lastSeq = Math.max(known.lastSeq, group.lastSeq);
    sums.set(key, { count: known.count + group.count, firstSeq, lastSeq });
  }
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1));
}
