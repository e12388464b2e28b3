import assert from "node:assert/strict";
import { test } from "node:test";
import { formatTable } from "../../../shared/cli/table.js";

const columns = [
  { title: "SEQ", value: (row: { seq: number; name: string }) => String(row.seq), right: true },
  { title: "NAME", value: (row: { seq: number; name: string }) => row.name, shrink: true },
];

test("columns are as wide as their widest cell", () => {
  const rows = [
    { seq: 1, name: "a" },
    { seq: 1000, name: "bb" },
  ];
  assert.equal(formatTable(rows, columns), " SEQ  NAME\n   1  a\n1000  bb");
});

test("a table fits the terminal by cutting what may be cut", () => {
  const table = formatTable([{ seq: 1, name: "a long name that goes on" }], columns, 20);
  assert.ok(table.split("\n").every((line) => line.length <= 20));
  assert.match(table, /a long name.*…/);
});
