import assert from "node:assert/strict";
import { test } from "node:test";
import { TransferLine } from "../../../shared/cli/transfer-line.js";
import { eventually } from "../../support/drive-fleet.js";

const MEBIBYTE = 1024 * 1024;

test("the file and how much of it has come are drawn over one line, which is gone at the end", async () => {
  const written: string[] = [];
  const line = new TransferLine({ output: { write: (text) => written.push(text), columns: 30 }, shown: true });
  line.start("onnx/model.onnx", 90 * MEBIBYTE);
  line.add(20 * MEBIBYTE);
  line.add(14 * MEBIBYTE);
  const hasDrawn = (text: string) => async () => written.at(-1) === `\r\u001b[K${text}`;
  await eventually(hasDrawn("onnx/model.onnx: 34MiB of 90M"), () => `drawn: ${written.at(-1)}`);
  line.start("tokenizer.json", undefined);
  await eventually(hasDrawn("tokenizer.json: 0"), () => `drawn: ${written.at(-1)}`);
  line.end();
  assert.equal(written.at(-1), "\r\u001b[K");
});

test("away from a terminal nothing is written", async () => {
  const written: string[] = [];
  const line = new TransferLine({ output: { write: (text) => written.push(text) }, shown: false });
  line.start("model.onnx", 10);
  line.add(10);
  line.end();
  assert.deepEqual(written, []);
});
