// What stands between a level and its vectors. Whoever catches one falls back to the heuristic and says so: `message`
// tells what is wrong, `hint` the command that cures it.

export type EmbedErrorCode =
  /** The optional runtime is not installed, or cannot be loaded on this machine. */
  | "runtime-missing"
  | "model-missing"
  /** Its files are not those that were added. */
  | "model-damaged"
  /** Its files are whole, and are not a sentence model of the kind that runs here. */
  | "model-unfit"
  | "encoder-died";

export class EmbedError extends Error {
  readonly code: EmbedErrorCode;
  readonly hint: string;
  constructor(code: EmbedErrorCode, message: string, options: ErrorOptions & { hint: string }) {
    super(message, options);
    this.name = "EmbedError";
    this.code = code;
    this.hint = options.hint;
  }
}
