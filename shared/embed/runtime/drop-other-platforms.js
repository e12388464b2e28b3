// Run by `npm run add-runtime` after the install: the package of the ONNX runtime holds libraries for five platforms,
// 290 MB, and only this machine's is ever loaded. Plain JavaScript, because it runs before anything is compiled.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { arch, platform } from "node:process";
import { fileURLToPath } from "node:url";

const BINARIES = fileURLToPath(new URL("node_modules/onnxruntime-node/bin/napi-v6/", import.meta.url));
const OURS = `${BINARIES}${platform}/${arch}`;

// Leaving all would look like success; the next start would only say that the runtime is missing.
if (!existsSync(OURS)) {
  process.stderr.write(`error: the ONNX runtime has no library for ${platform} on ${arch}; models cannot run here\n`);
  process.exit(1);
}

for (const system of readdirSync(BINARIES)) {
  for (const processor of readdirSync(`${BINARIES}${system}`)) {
    const folder = `${BINARIES}${system}/${processor}`;
    if (folder !== OURS) rmSync(folder, { recursive: true });
  }
}
