// `reference.json` of a model: texts with the vectors that the model must give. A row has the vector of the original weights
// (`fp32`), of the 8-bit ones (`int8`), or both.
import { z } from "zod";
import { EmbedError } from "../embed/embed-error.js";
import type { StoredModel } from "./stored-model.js";

export interface ReferenceRow {
  text: string;
  vector: number[];
}

export interface Reference {
  rows: ReferenceRow[];
  /** The least cosine that is right. */
  asked: number;
}

const vector = z.array(z.number()).optional();
const schema = z.object({
  rows: z
    .array(z.object({ text: z.string(), fp32: vector, int8: vector }))
    .min(1)
    .max(1000),
});

/** Processors multiply 8-bit numbers in ways that differ a little in rounding. */
const ASKED = { fp32: 0.999, int8: 0.99 } as const;
/** 8-bit weights against the vectors of the original ones. */
const ASKED_OF_OTHER_WEIGHTS = 0.98;

/** @throws EmbedError `model-unfit` */
export function readReference(text: string, model: Pick<StoredModel, "weights" | "dimensions">): Reference {
  const { weights, dimensions } = model;
  const rows = parse(text);
  const key = rows.every((row) => row[weights]) ? weights : "fp32";
  const found = rows.map((row) => ({ text: row.text, vector: row[key] ?? [] }));
  const bad = found.find((row) => row.vector.length !== dimensions);
  if (bad) throw unfit(`has ${bad.vector.length} numbers for ${JSON.stringify(bad.text)}, not ${dimensions}`);
  return { rows: found, asked: key === weights ? ASKED[weights] : ASKED_OF_OTHER_WEIGHTS };
}

function parse(text: string): z.output<typeof schema>["rows"] {
  try {
    return schema.parse(JSON.parse(text)).rows;
  } catch (cause) {
    throw unfit("cannot be read", cause);
  }
}

function unfit(what: string, cause?: unknown): EmbedError {
  return new EmbedError("model-unfit", `its reference.json ${what}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: "remove that file from where the model came from, then `model remove` and `model add` it again",
  });
}
