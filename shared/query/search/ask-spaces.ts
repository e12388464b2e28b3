// Which spaces of a store a question can be put to, and its vector in each. A space is asked by the very model that made its
// rows; one whose model or runtime is not here is not asked, and the answer says so, with the command that cures it.
import { EmbedError } from "../../embed/embed-error.js";
import type { Space } from "../../format/space.js";
import type { StoredModel } from "../../models/stored-model.js";
import type { QueryContext } from "../query-context.js";
import type { VectorIndex } from "../vector-index.js";
import type { Questions } from "./question-host.js";

export interface AskedSpace {
  name: string;
  index: VectorIndex;
  /** The question, length 1. */
  vector: Float32Array;
}

export interface Asked {
  /** The space of the best model first. */
  spaces: AskedSpace[];
  /** Why each of the others was not asked. */
  unable: string[];
}

/** Never rejects because of a model: a space that cannot be asked is one of `unable`. */
export async function askSpaces({ spaces, questions }: QueryContext, meaning: string): Promise<Asked> {
  const asked: (AskedSpace & { model: StoredModel })[] = [];
  const unable: string[] = [];
  for (const [name, index] of spaces) {
    const { space } = index;
    if (space.format === 1) continue;
    try {
      const [model, vector] = await Promise.all([questions.modelOf(space), questions.embed(space, meaning)]);
      asked.push({ name, index, vector, model });
    } catch (error) {
      if (!(error instanceof EmbedError)) throw error;
      unable.push(`${name}: questions are not embedded here, ${said(error)}`);
    }
  }
  return { spaces: asked.sort(byQuality).map(({ model: _, ...space }) => space), unable };
}

/** Whether questions to a space are embedded here, and by what or why not. */
export interface Askable {
  embedded: boolean;
  how: string;
}

/** What `status` and `stats` say of questions to a space. */
export async function tellAskable(questions: Questions, space: Space): Promise<Askable> {
  if (space.format === 1) return { embedded: false, how: "by words, and around what they find: it has no model" };
  try {
    return { embedded: true, how: `embedded by ${(await questions.modelOf(space)).id}` };
  } catch (error) {
    if (error instanceof EmbedError) return { embedded: false, how: `by words: ${said(error)}` };
    throw error;
  }
}

/** Of sentence models of one kind the one that knows more is the larger one. */
function byQuality(
  a: { model: StoredModel; index: VectorIndex },
  b: { model: StoredModel; index: VectorIndex },
): number {
  const dimensions = b.index.space.dimensions - a.index.space.dimensions;
  return dimensions || b.model.sizeBytes - a.model.sizeBytes || b.index.rows - a.index.rows;
}

function said({ code, message, hint }: EmbedError): string {
  return `${code}: ${message} (${hint})`;
}
