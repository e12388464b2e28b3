// What an ONNX file says of itself: the types of its weights, its inputs, the width of its outputs. Walks the protobuf
// (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto) and passes over the weights, so that half a gigabyte costs some
// milliseconds. A file that is not what it says ends in an error, never in a read past its end.
import { closeSync, fstatSync, openSync } from "node:fs";
import { EmbedError } from "../embed/embed-error.js";
import { type Field, ProtobufReader } from "./read-protobuf.js";

export interface OnnxFacts {
  inputs: string[];
  /** Name and, where it is fixed, the last dimension of each output. */
  outputs: { name: string; width: number | undefined }[];
  /** Bytes of weights by type. */
  weightBytes: { fp32: number; int8: number; fp16: number; other: number };
  /** Operators that stand for weights of less than 8 bits. */
  hasNarrowWeights: boolean;
  /** Weights are in another file, which no digest covers. */
  hasExternalData: boolean;
}

const MODEL_GRAPH = 7;
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12 } as const;
const NODE_OP_TYPE = 4;
const TENSOR = { dims: 1, dataType: 2, dataLocation: 14 } as const;
const EXTERNAL = 1n;
const NARROW_OPERATORS = /^MatMul(?:NBits|Bnb4|FpQ4)$/;

/** @throws EmbedError `model-unfit` if the file is no ONNX model */
export function readOnnx(path: string): OnnxFacts {
  const fd = openSync(path, "r");
  try {
    const reader = new ProtobufReader(fd);
    const facts = emptyFacts();
    let graphs = 0;
    for (const field of reader.fields(0, fstatSync(fd).size)) {
      if (field.number !== MODEL_GRAPH || field.kind !== "bytes") continue;
      graphs += 1;
      readGraph(reader, field, facts);
    }
    if (graphs !== 1) throw new RangeError(`${graphs} graphs`);
    return facts;
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new EmbedError("model-unfit", `the .onnx file is not an ONNX model (${cause.message})`, {
      cause,
      hint: "was it cut, or is it a pointer of Git LFS? compare its size with that at its origin",
    });
  } finally {
    closeSync(fd);
  }
}

function emptyFacts(): OnnxFacts {
  return {
    inputs: [],
    outputs: [],
    weightBytes: { fp32: 0, int8: 0, fp16: 0, other: 0 },
    hasNarrowWeights: false,
    hasExternalData: false,
  };
}

function readGraph(reader: ProtobufReader, graph: Field, facts: OnnxFacts): void {
  for (const field of reader.fields(graph.start, graph.end)) {
    if (field.kind !== "bytes") continue;
    if (field.number === GRAPH.node) readNode(reader, field, facts);
    else if (field.number === GRAPH.initializer) readTensor(reader, field, facts);
    else if (field.number === GRAPH.input) facts.inputs.push(readValueInfo(reader, field).name);
    else if (field.number === GRAPH.output) facts.outputs.push(readValueInfo(reader, field));
  }
}

function readNode(reader: ProtobufReader, node: Field, facts: OnnxFacts): void {
  for (const field of reader.fields(node.start, node.end)) {
    if (field.number !== NODE_OP_TYPE || field.kind !== "bytes") continue;
    if (NARROW_OPERATORS.test(reader.text(field))) facts.hasNarrowWeights = true;
  }
}

/** Data types of `TensorProto.DataType`, and bytes of one element. */
const TYPES: Readonly<Record<number, readonly [keyof OnnxFacts["weightBytes"], number]>> = {
  1: ["fp32", 4],
  2: ["int8", 1],
  3: ["int8", 1],
  10: ["fp16", 2],
  16: ["fp16", 2],
};

function readTensor(reader: ProtobufReader, tensor: Field, facts: OnnxFacts): void {
  let elements = 1;
  let dataType = 0;
  for (const field of reader.fields(tensor.start, tensor.end)) {
    if (field.number === TENSOR.dims) {
      for (const dim of field.kind === "bytes" ? reader.packed(field) : [field.value]) elements *= Number(dim);
    } else if (field.number === TENSOR.dataType) dataType = Number(field.value);
    else if (field.number === TENSOR.dataLocation && field.value === EXTERNAL) facts.hasExternalData = true;
  }
  const [type, width] = TYPES[dataType] ?? (["other", 1] as const);
  facts.weightBytes[type] += elements * width;
}

/** ValueInfoProto: 1 name, 2 type { 1 tensor_type { 2 shape { 1 dim { 1 dim_value } } } }. */
function readValueInfo(reader: ProtobufReader, info: Field): OnnxFacts["outputs"][number] {
  let name = "";
  let dims: (number | undefined)[] = [];
  for (const field of reader.fields(info.start, info.end)) {
    if (field.number === 1 && field.kind === "bytes") name = reader.text(field);
    if (field.number === 2 && field.kind === "bytes") dims = readShape(reader, field);
  }
  return { name, width: dims.at(-1) };
}

function readShape(reader: ProtobufReader, type: Field): (number | undefined)[] {
  const within = (parents: Field[], number: number) =>
    parents.flatMap(({ start, end }) => [...reader.fields(start, end)].filter((field) => field.number === number));
  const dims = within(within(within([type], 1), 2), 1);
  return dims.map(({ start, end }) => {
    const fixed = [...reader.fields(start, end)].find(({ number, kind }) => number === 1 && kind === "varint");
    return fixed && fixed.value > 0n ? Number(fixed.value) : undefined;
  });
}
