import assert from "node:assert/strict";
import { test } from "node:test";
import { formatSources } from "../../../primary/commands/format-sources.js";

const counts = {
  written: 3,
  gaps: 1,
  dropped: { queue_full: 2, forged: 5 },
  seen_until: "2026-11-20T10:05:00.123456Z",
};

test("each watched service has a row that says whether it is watched, and why not", () => {
  const table = formatSources(
    {
      socket: { connections: 2, written: 7, refused: 1 },
      dbus: {
        problem: null,
        services: {
          "dbus:systemd1": {
            name: "org.freedesktop.systemd1",
            present: true,
            watching: true,
            problem: null,
            ...counts,
          },
          "dbus:login1": { name: "org.freedesktop.login1", present: false, watching: false, problem: null },
          "dbus:Broken1": { name: "a.Broken1", present: true, watching: false, problem: "it refused" },
        },
      },
      ovsdb: { watching: false, waiting_for_socket: true, socket: "/run/x.sock", problem: null },
    },
    120,
  );
  const rows = table.split("\n").map((line) => line.split(/ {2,}/));
  assert.deepEqual(rows, [
    ["SOURCE", "STATE", "WRITTEN", "DROPPED", "GAPS", "SEEN UNTIL", "WHY"],
    ["socket", "open, 2 connected", "7", "1", "-", "-"],
    ["dbus:systemd1", "watching", "3", "7", "1", "2026-11-20T10:05:00Z"],
    ["dbus:login1", "waiting", "0", "0", "-", "-", "org.freedesktop.login1 is not on the bus"],
    ["dbus:Broken1", "blind", "0", "0", "-", "-", "it refused"],
    ["ovsdb", "waiting", "0", "0", "-", "-", "/run/x.sock is not there"],
  ]);
});

test("the bus itself has a row when something is wrong with it", () => {
  const table = formatSources({ dbus: { problem: "no bus", services: { "dbus:x": { present: false } } } }, 120);
  assert.match(table, /^dbus\s+blind .*no bus$/m);
  assert.match(table, /^dbus:x/m);
});
