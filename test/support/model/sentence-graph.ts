// The graph of a made model. Small, but with what makes real ones hard to run right: every token sees the mean of the
// tokens that the mask shows, so a wrong mask is a wrong vector; int8 scales what it multiplies by the largest value of
// the whole batch, so neighbours of a text change it, as they do in real quantised models.
import { FLOAT, type Graph, INT8, INT64, type Node, type Value, type Weights } from "./onnx-messages.js";
import type { Parameters } from "./parameters.js";
import { quantizeColumns } from "./quantize.js";

export type Flaw =
  /** One token's vector is not a number. */
  | "nan"
  /** The output is one vector a text, without the tokens'. */
  | "pooled-output"
  | "other-output-name"
  | "unknown-input";

export interface GraphOptions {
  weights: "fp32" | "int8";
  flaw?: Flaw | undefined;
}

export function makeGraph(parameters: Parameters, { weights, flaw }: GraphOptions): Graph {
  const { dimensions } = parameters;
  const sequence = ["batch", "sequence"] as const;
  const name = flaw === "other-output-name" ? "logits" : "last_hidden_state";
  const inputs = ["input_ids", "attention_mask", ...(parameters.types ? ["token_type_ids"] : [])];
  if (flaw === "unknown-input") inputs.push("pixel_values");
  const projection = weights === "int8" ? quantizedProjection(parameters) : plainProjection(parameters);
  const output: Value = {
    name,
    type: FLOAT,
    shape: flaw === "pooled-output" ? ["batch", dimensions] : [...sequence, dimensions],
  };
  return {
    inputs: inputs.map((input) => ({ name: input, type: INT64, shape: sequence })),
    outputs: [output],
    weights: [...embeddingWeights(parameters), ...projection.weights],
    nodes: [...contextNodes(parameters), ...projection.nodes, ...outputNodes(name, flaw)],
  };
}

function embeddingWeights({ words, types, dimensions }: Parameters): Weights[] {
  return [
    { name: "words", type: FLOAT, shape: [words.length / dimensions, dimensions], data: words },
    ...(types ? [{ name: "types", type: FLOAT, shape: [2, dimensions], data: types }] : []),
    { name: "axis_1", type: INT64, shape: [1], data: new BigInt64Array([1n]) },
    { name: "axis_2", type: INT64, shape: [1], data: new BigInt64Array([2n]) },
  ];
}

/** Each token's vector, plus the mean of those that the mask shows: `mixed`. */
function contextNodes({ types }: Parameters): Node[] {
  const typed: Node[] = [
    { op: "Gather", inputs: ["types", "token_type_ids"], output: "type" },
    { op: "Add", inputs: ["word", "type"], output: "token" },
  ];
  return [
    { op: "Gather", inputs: ["words", "input_ids"], output: types ? "word" : "token" },
    ...(types ? typed : []),
    { op: "Cast", inputs: ["attention_mask"], output: "flat_mask", attributes: { to: FLOAT } },
    { op: "Unsqueeze", inputs: ["flat_mask", "axis_2"], output: "mask" },
    { op: "Mul", inputs: ["token", "mask"], output: "shown" },
    { op: "ReduceSum", inputs: ["shown", "axis_1"], output: "sum", attributes: { keepdims: 1 } },
    { op: "ReduceSum", inputs: ["mask", "axis_1"], output: "count", attributes: { keepdims: 1 } },
    { op: "Div", inputs: ["sum", "count"], output: "mean" },
    { op: "Add", inputs: ["token", "mean"], output: "mixed" },
  ];
}

interface Projection {
  weights: Weights[];
  nodes: Node[];
}

function plainProjection({ projection, dimensions }: Parameters): Projection {
  return {
    weights: [{ name: "projection", type: FLOAT, shape: [dimensions, dimensions], data: projection }],
    nodes: [{ op: "MatMul", inputs: ["mixed", "projection"], output: "projected" }],
  };
}

function quantizedProjection({ projection, dimensions }: Parameters): Projection {
  const { values, scales } = quantizeColumns(projection, dimensions);
  return {
    weights: [
      { name: "projection", type: INT8, shape: [dimensions, dimensions], data: values },
      { name: "projection_scales", type: FLOAT, shape: [dimensions], data: scales },
    ],
    nodes: [
      { op: "DynamicQuantizeLinear", inputs: ["mixed"], output: ["mixed_int8", "mixed_scale", "mixed_zero"] },
      { op: "MatMulInteger", inputs: ["mixed_int8", "projection", "mixed_zero"], output: "product_int32" },
      { op: "Cast", inputs: ["product_int32"], output: "product", attributes: { to: FLOAT } },
      { op: "Mul", inputs: ["mixed_scale", "projection_scales"], output: "product_scales" },
      { op: "Mul", inputs: ["product", "product_scales"], output: "projected" },
    ],
  };
}

function outputNodes(name: string, flaw: Flaw | undefined): Node[] {
  const nodes: Node[] = [{ op: "Tanh", inputs: ["projected"], output: "bent" }];
  const sum = flaw === undefined || flaw === "other-output-name" || flaw === "unknown-input" ? name : "whole";
  nodes.push({ op: "Add", inputs: ["mixed", "bent"], output: sum });
  if (flaw === "nan") {
    nodes.push(
      { op: "Sub", inputs: [sum, sum], output: "zero" },
      { op: "Div", inputs: ["zero", "zero"], output: name },
    );
  }
  if (flaw === "pooled-output") {
    nodes.push({ op: "ReduceSum", inputs: [sum, "axis_1"], output: name, attributes: { keepdims: 0 } });
  }
  return nodes;
}
