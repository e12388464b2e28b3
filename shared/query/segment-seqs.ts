// What lies beside a segment's index in `<first>-<rows>.seqs`: the sequence number of each row (64-bit floats), then the ring
// of rows with equal vectors (32-bit numbers, equal-rows.ts). In the machine's own byte order: it is derived, and stays here.

export interface SegmentSeqs {
  seqs: Float64Array;
  ring: Uint32Array;
}

export function formatSeqs(seqs: Float64Array, ring: Uint32Array): Buffer {
  return Buffer.concat(
    [seqs, ring].map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
  );
}

/** @throws if `bytes` are not of so many rows, or the ring leads out of them */
export function parseSeqs(bytes: Buffer, rows: number): SegmentSeqs {
  if (bytes.length !== rows * (Float64Array.BYTES_PER_ELEMENT + Uint32Array.BYTES_PER_ELEMENT)) {
    throw new Error(`${bytes.length} bytes are not of ${rows} rows`);
  }
  const { buffer } = Uint8Array.from(bytes);
  const ring = new Uint32Array(buffer, rows * Float64Array.BYTES_PER_ELEMENT, rows);
  if (ring.some((label) => label >= rows)) throw new Error("a row's equal is beyond the segment");
  return { seqs: new Float64Array(buffer, 0, rows), ring };
}
