// A TCP port on loopback that was free a moment ago, and that nobody gets by chance until it is used.
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below what the kernel gives to those who do not ask for a port (`ip_local_port_range`), above what services have. */
const [FIRST, BEHIND_LAST] = [10_000, 32_000];

export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, BEHIND_LAST);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
