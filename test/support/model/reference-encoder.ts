// What a made model should answer, computed from its numbers without the runtime: WordPiece, the graph and the pooling
// written down a second time, one text after another, in double precision where ONNX does not say otherwise.
import type { Parameters } from "./parameters.js";
import { quantizeColumns } from "./quantize.js";

export interface Reference {
  parameters: Parameters;
  /** By their ids. */
  tokens: readonly string[];
  weights: "fp32" | "int8";
  maxTokens: number;
  /** Around every text. */
  start: string;
  end: string;
  unknown: string;
}

/** Of plain ASCII, of length 1. */
export function encodeByReference(reference: Reference, text: string): Float64Array {
  const { parameters, weights } = reference;
  const tokens = tokenIds(reference, text).map((id) => tokenVector(parameters, id));
  const mean = meanOf(tokens);
  const mixed = tokens.map((token) => token.map((value, k) => value + (mean[k] as number)));
  const projected = weights === "int8" ? projectInt8(parameters, mixed) : mixed.map((row) => project(parameters, row));
  const pooled = meanOf(mixed.map((row, i) => row.map((value, k) => value + Math.tanh(projected[i]?.[k] as number))));
  const length = Math.sqrt(pooled.reduce((sum, value) => sum + value * value, 0));
  return pooled.map((value) => value / length);
}

export function tokenIds({ tokens, maxTokens, start, end, unknown }: Reference, text: string): number[] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const words = text.toLowerCase().match(/[a-z0-9]+|[^\sa-z0-9]/g) ?? [];
  const inner = words.flatMap((word) => pieces(word, ids) ?? [unknown]).slice(0, maxTokens - 2);
  return [start, ...inner, end].map((token) => ids.get(token) as number);
}

/** The longest piece that is known, then the longest of the rest; undefined where a piece is not known. */
function pieces(word: string, ids: ReadonlyMap<string, number>): string[] | undefined {
  const found: string[] = [];
  for (let at = 0; at < word.length; ) {
    let end = word.length;
    const piece = () => (at > 0 ? "##" : "") + word.slice(at, end);
    while (end > at && !ids.has(piece())) end -= 1;
    if (end === at) return undefined;
    found.push(piece());
    at = end;
  }
  return found;
}

function tokenVector({ words, types, dimensions }: Parameters, id: number): Float64Array {
  const type = types?.subarray(0, dimensions);
  return Float64Array.from(words.subarray(id * dimensions, (id + 1) * dimensions), (v, k) => v + (type?.[k] ?? 0));
}

function meanOf(rows: readonly Float64Array[]): Float64Array {
  const sum = new Float64Array(rows[0]?.length ?? 0);
  for (const row of rows) for (const [k, value] of row.entries()) sum[k] = (sum[k] as number) + value;
  return sum.map((value) => value / rows.length);
}

function project({ projection, dimensions }: Parameters, row: Float64Array): Float64Array {
  return multiply(row, projection, dimensions);
}

function multiply(row: Float64Array, matrix: ArrayLike<number>, columns: number): Float64Array {
  const product = new Float64Array(columns);
  row.forEach((value, i) => {
    for (let k = 0; k < columns; k += 1)
      product[k] = (product[k] as number) + value * (matrix[i * columns + k] as number);
  });
  return product;
}

/** https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html, then MatMulInteger. */
function projectInt8({ projection, dimensions }: Parameters, rows: readonly Float64Array[]): Float64Array[] {
  const { values, scales } = quantizeColumns(projection, dimensions);
  const largest = rows.reduce((most, row) => row.reduce((a, b) => Math.max(a, b), most), 0);
  const smallest = rows.reduce((least, row) => row.reduce((a, b) => Math.min(a, b), least), 0);
  const scale = Math.fround((largest - smallest) / 255);
  const zero = roundToEven(-smallest / scale);
  return rows.map((row) => {
    const whole = row.map((value) => Math.min(255, Math.max(0, roundToEven(value / scale) + zero)) - zero);
    return multiply(whole, values, dimensions).map((sum, k) => sum * scale * (scales[k] as number));
  });
}

function roundToEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
