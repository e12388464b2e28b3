import assert from "node:assert/strict";
import { test } from "node:test";
import { failed } from "../../../../shared/embed/onnx/encoder-failure.js";

const MODEL = { name: "mini" };

test("no memory is told from a model of another kind: another try may cure it", () => {
  const reasons = [
    "std::bad_alloc",
    "bad allocation",
    "Non-zero status code returned while running MatMul node. Name:'m' Status Message: Failed to allocate memory for requested buffer of size 8",
  ];
  for (const reason of reasons) {
    const error = failed(MODEL, "it does not run", new Error(reason));
    assert.deepEqual([error.code, error.message], ["encoder-died", `there is no memory for model mini: ${reason}`]);
  }
});

test("of what the runtime says the first line is told, and all of it is the cause", () => {
  const cause = new Error("Load model failed:Protobuf parsing failed.\n  at somewhere");
  const error = failed(MODEL, "it cannot be opened", cause);
  const message = "model mini is none that runs here: it cannot be opened: Load model failed:Protobuf parsing failed.";
  assert.deepEqual([error.code, error.message, error.cause], ["model-unfit", message, cause]);
});
