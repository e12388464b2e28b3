import assert from "node:assert/strict";
import { test } from "node:test";
import { EmbedError } from "../../../../shared/embed/embed-error.js";
import { createLogger } from "../../../../shared/log.js";
import { QuestionHost } from "../../../../shared/query/search/question-host.js";
import { eventually } from "../../../support/drive-fleet.js";
import { MODEL_RUNTIME, requirePart } from "../../../support/require-part.js";
import { withModelStore } from "../../../support/with-model-store.js";

const log = createLogger("error", () => true);
const died = (error: unknown) => error instanceof EmbedError && error.code === "encoder-died" && error.hint !== "";

test("a question that takes too long costs its process, and the next one gets another", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withModelStore([], async ({ root, space }) => {
    const host = new QuestionHost({ root, log, answerWithinMs: 15_000 });
    try {
      assert.equal(host.pid, undefined);
      assert.equal((await host.embed(space, "carrier lost")).length, space.dimensions);
      const { pid } = host;
      assert.ok(pid);
      process.kill(pid, "SIGSTOP");
      await assert.rejects(host.embed(space, "link gone"), died);
      let vector: Float32Array | undefined;
      await eventually(
        async () => {
          vector = await host.embed(space, "link gone").catch(() => undefined);
          return vector !== undefined;
        },
        () => "no question was embedded after one that took too long",
      );
      assert.ok(Math.abs(Math.hypot(...(vector as Float32Array)) - 1) < 1e-5);
      assert.notEqual(host.pid, pid);
    } finally {
      await host.stop();
    }
  });
});

test("no more than 64 questions wait, and a question asked twice is embedded once", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withModelStore([], async ({ root, space }) => {
    const host = new QuestionHost({ root, log });
    try {
      const many = Array.from({ length: 100 }, (_, i) => host.embed(space, `question ${"x".repeat(i)}`));
      const settled = await Promise.allSettled(many);
      const refused = settled.filter(({ status }) => status === "rejected");
      assert.equal(refused.length, 36);
      assert.ok(refused.every((one) => died((one as PromiseRejectedResult).reason)));
      assert.deepEqual(host.counts, { embedded: 64, remembered: 0, failed: 36 });
      const [a, b] = await Promise.all([host.embed(space, "question "), host.embed(space, "question ")]);
      assert.deepEqual(a, b);
      assert.deepEqual(host.counts, { embedded: 64, remembered: 2, failed: 36 });
    } finally {
      await host.stop();
    }
  });
});

test("a process that has grown too large costs no question: those that waited are answered by the next", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withModelStore([], async ({ root, space }) => {
    const warned: string[] = [];
    const noting = { ...log, warn: (message: string) => void warned.push(message) };
    const host = new QuestionHost({ root, log: noting, mostGrowthBytes: 0 });
    try {
      const texts = ["carrier lost", "disk full", "package upgraded"];
      const vectors = await Promise.all(texts.map((text) => host.embed(space, text)));
      assert.ok(vectors.every(({ length }) => length === space.dimensions));
      assert.deepEqual([host.counts.failed, warned], [0, []]);
    } finally {
      await host.stop();
    }
  });
});

test("a question that makes no message fails alone, and its process goes on", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withModelStore([], async ({ root, space }) => {
    const host = new QuestionHost({ root, log });
    try {
      await host.embed(space, "carrier lost");
      const { pid } = host;
      const uncloneable = (() => "") as unknown as string;
      await assert.rejects(host.embed(space, uncloneable), died);
      await host.embed(space, "disk full");
      assert.equal(host.pid, pid);
    } finally {
      await host.stop();
    }
  });
});

test("a host that was stopped leaves no process behind and embeds nothing more", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withModelStore([], async ({ root, space }) => {
    const host = new QuestionHost({ root, log });
    await host.embed(space, "carrier lost");
    const pid = host.pid as number;
    await host.stop();
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
    await assert.rejects(host.embed(space, "link gone"), died);
    assert.equal(host.pid, undefined);
  });
});
