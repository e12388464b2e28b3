// The bytes of an ONNX file by hand, as few as say what a test is about. Not a model that runs: for that see make-model.ts.

export interface OnnxParts {
  inputs?: string[];
  /** Name and dimensions of each output; 0 stands for one that is not fixed. */
  outputs?: [string, number[]][];
  /** Data type by the numbers of `TensorProto.DataType`, and how many elements. */
  tensors?: { type: number; elements: number; external?: boolean }[];
  operators?: string[];
}

export const ONNX_TYPE = { float: 1, uint8: 2, int8: 3, float16: 10 } as const;

export function onnxBytes({ inputs, outputs, tensors, operators }: OnnxParts = {}): Buffer {
  const graph = [
    ...(operators ?? ["Gather"]).map((type) => bytesField(1, bytesField(4, type))),
    bytesField(2, "graph"),
    ...(tensors ?? [{ type: ONNX_TYPE.float, elements: 64 }]).map((tensor) => bytesField(5, tensorBytes(tensor))),
    ...(inputs ?? ["input_ids", "attention_mask"]).map((name) => bytesField(11, valueInfo(name, [0, 0]))),
    ...(outputs ?? [["last_hidden_state", [0, 0, 8]]]).map(([name, dims]) => bytesField(12, valueInfo(name, dims))),
  ];
  return Buffer.concat([varintField(1, 8), bytesField(2, "a test"), bytesField(7, Buffer.concat(graph))]);
}

function tensorBytes({ type, elements, external }: NonNullable<OnnxParts["tensors"]>[number]): Buffer {
  const width = type === ONNX_TYPE.float ? 4 : type === ONNX_TYPE.float16 ? 2 : 1;
  const data = external ? varintField(14, 1) : bytesField(9, Buffer.alloc(elements * width, 7));
  return Buffer.concat([varintField(1, elements), varintField(2, type), bytesField(8, "weights"), data]);
}

function valueInfo(name: string, dims: readonly number[]): Buffer {
  const shape = dims.map((dim) => bytesField(1, dim === 0 ? bytesField(2, "any") : varintField(1, dim)));
  const tensorType = Buffer.concat([varintField(1, 1), bytesField(2, Buffer.concat(shape))]);
  return Buffer.concat([bytesField(1, name), bytesField(2, bytesField(1, tensorType))]);
}

function varintField(number: number, value: number): Buffer {
  return Buffer.concat([varint(number << 3), varint(value)]);
}

function bytesField(number: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content as string);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}
