// A space: one way of making vectors, and how its rows stand on disk. Its fingerprint covers all that changes a vector, so
// that vectors of two models are never compared. `row-values.ts` has the bytes of a row's values, `vector-row.ts` the rows.
import { canonicalise } from "./canonical-json.js";
import { FormatError } from "./format-error.js";
import { sha256Hex } from "./hash.js";
import { DTYPES, type Dtype } from "./row-values.js";

export type Space = FormulaSpace | ModelSpace;

/** `space.json` of vectors that a formula of ours makes. The folder is named `<model>-<first 12 digits of fingerprint>`. */
export interface FormulaSpace extends SpaceFields {
  format: 1;
  dtype: "f32";
}

/** `space.json` of vectors that a model makes. */
export interface ModelSpace extends SpaceFields {
  format: 2;
  dtype: Dtype;
  normalised: true;
  recipe: Recipe;
}

interface SpaceFields {
  model: string;
  /** SHA-256 over everything that changes the vectors, 64 hex digits: never mix rows of two fingerprints. */
  fingerprint: string;
  dimensions: number;
  metric: "cosine";
  /** Whether every vector has length 1, so that the inner product is the cosine. f16 and int8 rows miss it by rounding. */
  normalised: boolean;
}

/** What makes the vectors of a model's space. With the dtype it is what the fingerprint is of. */
export type Recipe = {
  /** SHA-256 of the model's file, 64 hex digits. */
  model_sha256: string;
  tokenizer_sha256: string;
  /** Numbers that the model computes with, which are not those that the rows are stored in. */
  weights: "fp32" | "int8";
  pooling: "mean";
  /** Tokens of a text that the model sees; the rest is cut off. */
  max_tokens: number;
  /** Version of the text that is made of an event. */
  text: string;
};

export const MOST_DIMENSIONS = 4096;
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** So that the folder's name, which has 13 characters more, is one that NAME allows. */
const MODEL_NAME = /^[a-z0-9][a-z0-9._-]{0,50}$/;
const HEX_64 = /^[0-9a-f]{64}$/;
const TEXT_VERSION = /^[\x20-\x7e]{1,512}$/;

/** The space of a model, named in lower case after it. @throws FormatError `bad-space`, naming the field */
export function modelSpace(model: { name: string; recipe: Recipe; dimensions: number }, dtype: Dtype): ModelSpace {
  const { recipe, dimensions } = model;
  const fingerprint = fingerprintOf(dtype, recipe);
  const name = folderNameOf(model.name);
  const fields = { dimensions, dtype, metric: "cosine", model: name, normalised: true } as const;
  const space: ModelSpace = { format: 2, fingerprint, recipe, ...fields };
  checkSpace(space);
  return space;
}

export function spaceName(space: Space): string {
  return `${space.model}-${space.fingerprint.slice(0, 12)}`;
}

/** Whether `name` may be the name of a space's folder. `vector/generation` is a file, and anything else there not ours. */
export function isSpaceName(name: string): boolean {
  return NAME.test(name) && name !== "generation";
}

export function formatSpace(space: Space): string {
  return `${canonicalise({ ...space })}\n`;
}

/** @throws FormatError `bad-space`, naming the field; `newer-space` for a format of a later version of this program */
export function parseSpace(text: string): Space {
  let space: Space;
  try {
    space = JSON.parse(text) as Space;
  } catch (cause) {
    throw new FormatError("bad-space", "space.json is not JSON", { cause });
  }
  checkSpace(space);
  return space;
}

function fingerprintOf(dtype: Dtype, recipe: Recipe): string {
  return sha256Hex(canonicalise({ dtype, recipe }));
}

/** Folders' names have no capital letters, and room for the fingerprint behind the model. */
function folderNameOf(model: string): string {
  return model
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[^a-z0-9]+/, "")
    .slice(0, 51);
}

type Check = [field: string, value: unknown, good: boolean];

function checkSpace(space: Space): void {
  const format: unknown = space?.format;
  if (Number.isInteger(format) && (format as number) > 2) {
    throw new FormatError("newer-space", `space.json's format is ${format}, which a later version of Isochron wrote`);
  }
  checkFields([
    ["format", format, format === 1 || format === 2],
    ["model", space?.model, typeof space?.model === "string" && (format === 1 ? NAME : MODEL_NAME).test(space.model)],
    ["fingerprint", space?.fingerprint, isHex64(space?.fingerprint)],
    ["dimensions", space?.dimensions, isCount(space?.dimensions, MOST_DIMENSIONS)],
    ["dtype", space?.dtype, format === 1 ? space?.dtype === "f32" : DTYPES.includes(space?.dtype)],
    ["metric", space?.metric, space?.metric === "cosine"],
    [
      "normalised",
      space?.normalised,
      format === 1 ? typeof space?.normalised === "boolean" : space?.normalised === true,
    ],
  ]);
  if (space.format === 2) checkRecipe(space);
}

function checkRecipe({ recipe, dtype, fingerprint }: ModelSpace): void {
  const checks: Check[] = [
    ["model_sha256", recipe?.model_sha256, isHex64(recipe?.model_sha256)],
    ["tokenizer_sha256", recipe?.tokenizer_sha256, isHex64(recipe?.tokenizer_sha256)],
    ["weights", recipe?.weights, recipe?.weights === "fp32" || recipe?.weights === "int8"],
    ["pooling", recipe?.pooling, recipe?.pooling === "mean"],
    ["max_tokens", recipe?.max_tokens, isCount(recipe?.max_tokens, 65_536)],
    ["text", recipe?.text, typeof recipe?.text === "string" && TEXT_VERSION.test(recipe.text)],
  ];
  checkFields(checks.map(([field, ...rest]) => [`recipe.${field}`, ...rest]));
  const unknown = Object.keys(recipe).find((key) => !checks.some(([field]) => field === key));
  if (unknown !== undefined) throw badField(`recipe.${unknown}`, "not known here");
  const right = fingerprintOf(dtype, recipe);
  if (fingerprint !== right) throw badField("fingerprint", `${fingerprint}, its dtype and recipe have ${right}`);
}

function checkFields(checks: readonly Check[]): void {
  const bad = checks.find(([, , good]) => !good);
  if (bad) throw badField(bad[0], JSON.stringify(bad[1]) ?? "missing");
}

function isHex64(value: unknown): boolean {
  return typeof value === "string" && HEX_64.test(value);
}

function isCount(value: unknown, most: number): boolean {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) <= most;
}

function badField(field: string, what: string): FormatError {
  return new FormatError("bad-space", `space.json's ${field} is ${what}`);
}
