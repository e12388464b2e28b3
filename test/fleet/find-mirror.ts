// Where this machine gets its own Debian packages from: what the hosts of the fleet are made of comes from there too. No address
// stands in the project, because a machine may reach no other than its own.
import { readFile } from "node:fs/promises";
import { execa } from "execa";

const VARIABLE = "ISOCHRON_TEST_MIRROR";

/** The address of a Debian mirror that has, or is likely to have, this release. @throws if none is known here */
export async function findMirror(suite: string): Promise<string> {
  const named = process.env[VARIABLE];
  if (named) return named;
  const mirror = mirrorOf(suite, await ownRelease(), await ownIndexes());
  if (mirror !== undefined) return mirror;
  throw new Error(
    `no Debian mirror is known: apt on this machine has no source of ${suite}, nor of the machine's own release; ` +
      `name one in ${VARIABLE}, such as ${VARIABLE}=http://HOST/debian`,
  );
}

/**
 * `indexes` are what apt would fetch, a line each: `'http://HOST/debian/dists/SUITE/InRelease' name size`. A mirror of Debian has
 * all its releases, so that of this machine's own will do where nothing names the wanted one.
 */
export function mirrorOf(suite: string, own: string | undefined, indexes: readonly string[]): string | undefined {
  const sources = indexes.flatMap((line) => {
    const [, base, name] = /^'(https?:\/\/\S+?)\/dists\/([^/\s]+)\/(?:In)?Release'/.exec(line) ?? [];
    return base && name ? [{ base, name }] : [];
  });
  for (const wanted of [suite, own]) {
    const found = sources.find(({ name }) => name === wanted);
    if (found) return found.base;
  }
  return undefined;
}

/** Also where no list of packages has been fetched yet. */
async function ownIndexes(): Promise<string[]> {
  const options = { reject: false, stdin: "ignore", env: { LC_ALL: "C" } } as const;
  return (await execa("apt-get", ["--print-uris", "update"], options)).stdout.split("\n");
}

async function ownRelease(): Promise<string | undefined> {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  return /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(text)?.[1];
}
