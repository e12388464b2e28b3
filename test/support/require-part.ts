// Parts of the machine that a test needs. In CI a missing one is an error; elsewhere the test is skipped and says what
// is missing and how to get it.
import type { TestContext } from "node:test";
import { execa } from "execa";
import { runtimeVersion } from "../../shared/embed/onnx/load-runtime.js";

export interface Part {
  /** What is missing, such as `the program sshd`. */
  name: string;
  /** How to get it, such as `apt-get install openssh-server`. */
  howToGet: string;
  isThere(): boolean | Promise<boolean>;
}

/** Whether the test can go on. `false` means that it has been skipped and must return. @throws in CI */
export async function requirePart(t: TestContext, part: Part): Promise<boolean> {
  const message = await missingPart([part]);
  if (message === undefined) return true;
  t.skip(message);
  return false;
}

/** What the first part that is missing is, and how to get it. @throws in CI */
export async function missingPart(parts: readonly Part[]): Promise<string | undefined> {
  for (const part of parts) {
    if (await part.isThere()) continue;
    const message = `${part.name} is missing; to get it: ${part.howToGet}`;
    if (process.env.CI === "true") throw new Error(message);
    return message;
  }
  return undefined;
}

/** A program on PATH or in the system folders. */
export function program(name: string, debianPackage: string): Part {
  return {
    name: `the program ${name}`,
    howToGet: `apt-get install ${debianPackage}`,
    isThere: async () => {
      const env = { PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
      return (await execa("sh", ["-c", 'command -v "$1"', "sh", name], { env, reject: false })).exitCode === 0;
    },
  };
}

/** Root, which mounting and btrfs send and receive need. */
export const ROOT: Part = {
  name: "root",
  howToGet: "run the tests as root",
  isThere: () => process.geteuid?.() === 0,
};

/** What runs embedding models, which is not part of the plain install. */
export const MODEL_RUNTIME: Part = {
  name: "the runtime of embedding models",
  howToGet: "npm run add-runtime",
  isThere: () => runtimeVersion() !== undefined,
};
