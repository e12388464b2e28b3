// One small file of a generation, whole, read in the turn: see `read-part.ts` in `shared/store`.
import { readFileSync } from "node:fs";
import { VerifyError } from "./verify-error.js";

/** @throws VerifyError with the verdict and the message if it cannot be read. `file`: its path in the generation */
export function readWhole(path: string, file: string, verdict: VerifyError["verdict"], message: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new VerifyError(verdict, { file }, message, { cause });
  }
}
