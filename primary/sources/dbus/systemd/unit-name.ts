// Names of units: which are recorded, and how they stand in the paths of D-Bus objects.
import picomatch from "picomatch";

/** Whether a unit is recorded: one of the globs `units` fits its name, and none of `ignore`. */
export function createUnitFilter(units: readonly string[], ignore: readonly string[]): (name: string) => boolean {
  const wanted = matcher(units);
  const unwanted = matcher(ignore);
  return (name) => wanted(name) && !unwanted(name);
}

/** `service` of `nginx.service`. */
export function unitType(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

/** Whether it is `getty@.service`: a file that units are made from, and no unit itself. */
export function isTemplate(name: string): boolean {
  return name.includes("@.");
}

/** `nginx.service` of `/org/freedesktop/systemd1/unit/nginx_2eservice`; undefined for what is no unit. */
export function unitOfPath(path: string): string | undefined {
  const prefix = "/org/freedesktop/systemd1/unit/";
  if (!path.startsWith(prefix)) return undefined;
  return path
    .slice(prefix.length)
    .replace(/_([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

function matcher(globs: readonly string[]): (name: string) => boolean {
  if (globs.length === 0) return () => false;
  // Unit names are full of `\x2d`: a backslash stands for itself. Names may begin with a dot, and `@(` is no operator.
  return picomatch(globs.map(escapeBackslashes), { dot: true, noextglob: true });
}

export function escapeBackslashes(glob: string): string {
  return glob.replaceAll("\\", "\\\\");
}
