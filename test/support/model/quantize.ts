// The int8 weights of a made model, one scale a column, as the usual tools make them.

export interface QuantizedColumns {
  /** Row by row. */
  values: Int8Array;
  /** One a column: the weight is value × scale. */
  scales: Float32Array;
}

/** Seven bits: with eight, processors without VNNI saturate sums of two products, and machines would differ. */
const LARGEST = 63;

export function quantizeColumns(matrix: Float32Array, columns: number): QuantizedColumns {
  const scales = new Float32Array(columns);
  matrix.forEach((value, i) => {
    const column = i % columns;
    scales[column] = Math.max(scales[column] as number, Math.abs(value) / LARGEST);
  });
  const values = Int8Array.from(matrix, (value, i) => Math.round(value / (scales[i % columns] as number)));
  return { values, scales };
}
