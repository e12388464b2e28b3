// What is left of Isochron on a host that it was taken off with all its data: nothing, but what an administrator had made before.
import assert from "node:assert/strict";
import { dirname } from "node:path";
import type { NspawnHost } from "./nspawn-host.js";

/** @throws with what is left */
export async function expectNothingLeft(host: NspawnHost): Promise<void> {
  const { mountedOn } = host;
  const files = await lines(host, "find / /run /tmp /var/tmp -xdev -iname '*isochron*'");
  // Where the administrator has mounted a volume, and that mount's unit.
  const own = mountedOn ? [dirname(mountedOn)] : [];
  assert.deepEqual(
    files.filter((path) => !own.includes(path) && !path.endsWith(".mount")),
    [],
    `${host.name}: files`,
  );
  const mounts = await lines(host, "findmnt --raw --noheadings --output TARGET | grep isochron");
  assert.deepEqual(mounts, mountedOn ? [mountedOn] : [], `${host.name}: mounts`);
  if (mountedOn) assert.deepEqual(await lines(host, `find ${mountedOn} -mindepth 1`), [], `${host.name}: ${mountedOn}`);
  for (const [what, command] of Object.entries(PLACES))
    assert.deepEqual(await lines(host, command), [], `${host.name}: ${what}`);
}

const PLACES = {
  "users and groups": "getent passwd | grep isochron; getent group | grep isochron",
  units: "systemctl --plain --no-legend list-unit-files 'isochron*'",
  "units in memory": "systemctl --plain --no-legend --all list-units 'isochron*'",
  "names on the bus": "busctl --no-legend list | grep -i isochron",
  sockets: "grep isochron /proc/net/unix",
  processes: "grep -l '[i]sochron' /proc/[0-9]*/cmdline 2>/dev/null",
  "lines of fstab": "grep isochron /etc/fstab",
  "what sshd reads": "/usr/sbin/sshd -T -C user=isochron,host=any,addr=127.0.0.1 | grep isochron",
};

async function lines(host: NspawnHost, command: string): Promise<string[]> {
  const { stdout } = await host.run("sh", "-c", command);
  return stdout.split("\n").filter((line) => line !== "");
}
