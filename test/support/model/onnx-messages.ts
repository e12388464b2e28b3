// The few protobuf messages of an ONNX file, enough to write a graph of tensors
// (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3). Field numbers and kinds are theirs.

const VARINT = 0;
const BYTES = 2;

/** TensorProto.DataType. */
export const FLOAT = 1;
export const INT8 = 3;
export const INT64 = 7;

const ATTRIBUTE_INT = 2;
const IR_VERSION = 8;
const OPSET = 17;

export interface Graph {
  inputs: readonly Value[];
  outputs: readonly Value[];
  weights: readonly Weights[];
  nodes: readonly Node[];
}

export interface Value {
  name: string;
  type: number;
  /** A name stands for a length that is known only when it runs. */
  shape: readonly (string | number)[];
}

export interface Weights {
  name: string;
  type: number;
  shape: readonly number[];
  data: Float32Array | Int8Array | BigInt64Array;
}

export interface Node {
  op: string;
  inputs: readonly string[];
  output: string | readonly string[];
  attributes?: Readonly<Record<string, number>>;
}

/** The bytes of an .onnx file. */
export function formatModel(graph: Graph): Buffer {
  return message(number(1, IR_VERSION), text(2, "isochron-test"), field(7, formatGraph(graph)), field(8, opset()));
}

function opset(): Buffer {
  return message(text(1, ""), number(2, OPSET));
}

function formatGraph({ inputs, outputs, weights, nodes }: Graph): Buffer {
  return message(
    ...nodes.map((node) => field(1, formatNode(node))),
    text(2, "sentence"),
    ...weights.map((tensor) => field(5, formatTensor(tensor))),
    ...inputs.map((value) => field(11, formatValue(value))),
    ...outputs.map((value) => field(12, formatValue(value))),
  );
}

function formatNode({ op, inputs, output, attributes = {} }: Node): Buffer {
  const outputs = typeof output === "string" ? [output] : output;
  return message(
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, op),
    ...Object.entries(attributes).map(([name, value]) =>
      field(5, message(text(1, name), number(3, value), number(20, ATTRIBUTE_INT))),
    ),
  );
}

function formatTensor({ name, type, shape, data }: Weights): Buffer {
  const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return message(...shape.map((length) => number(1, length)), number(2, type), text(8, name), field(9, raw));
}

function formatValue({ name, type, shape }: Value): Buffer {
  const dimensions = shape.map((length) => {
    return field(1, typeof length === "string" ? message(text(2, length)) : message(number(1, length)));
  });
  const tensor = message(number(1, type), field(2, message(...dimensions)));
  return message(text(1, name), field(2, message(field(1, tensor))));
}

function message(...fields: Buffer[]): Buffer {
  return Buffer.concat(fields);
}

function text(tag: number, value: string): Buffer {
  return field(tag, Buffer.from(value));
}

function field(tag: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint((tag << 3) | BYTES), varint(bytes.length), bytes]);
}

function number(tag: number, value: number): Buffer {
  return Buffer.concat([varint((tag << 3) | VARINT), varint(value)]);
}

/** Of a number that is not negative. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}
