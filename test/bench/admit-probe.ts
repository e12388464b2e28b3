// A probe, not a bench: microseconds per line spent in admission, for one shape of line at a time.
// Run: node dist/test/bench/admit-probe.js [events.jsonl]
import { readFileSync } from "node:fs";
import { createAdmitter } from "../../primary/admit/admit-event.js";

const ROUNDS = 100_000;

/** About 700 bytes with a state of about 500, keys in no order, as an interface's state would be. */
const WIDE = JSON.stringify({
  element_id: "interface:eth0",
  element_type: "NetworkInterface",
  action: "modified",
  actor: "admin",
  timestamp: "2026-11-20T10:05:00.123456Z",
  state_snapshot: {
    name: "eth0",
    mtu: 1500,
    mac: "52:54:00:12:34:56",
    addresses: ["10.0.0.1/24", "fe80::5054:ff:fe12:3456/64"],
    speed: 10000,
    duplex: "full",
    up: true,
    counters: { rx_bytes: 123456789, tx_bytes: 987654321, rx_packets: 1234, tx_packets: 4321, errors: 0 },
    bridge: { name: "br0", ports: ["eth0", "tap100i0", "tap101i0"], stp: false, vlan: 100 },
    driver: "virtio_net",
    comment: "uplink of the second rack, moved from port 12 to port 14 on the day of the maintenance",
  },
  reason: "link renegotiated after the cable was changed",
  idempotency_key: "probe:000001",
});

const files = process.argv.slice(2);
const shapes: [string, Buffer[]][] = [
  ["wide", [Buffer.from(WIDE)]],
  ["wide-secret", [Buffer.from(WIDE.replace('"comment"', '"wifi_psk"'))]],
  ...files.map((file): [string, Buffer[]] => [
    file,
    readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => Buffer.from(line)),
  ]),
];
const admit = createAdmitter();
for (const [name, lines] of shapes) {
  const bytes = lines.reduce((sum, line) => sum + line.length, 0) / lines.length;
  for (let round = 0; round < 2; round += 1) {
    const started = performance.now();
    for (let i = 0; i < ROUNDS; i += 1) admit(lines[i % lines.length] as Buffer, { source: "probe" });
    const micros = ((performance.now() - started) * 1000) / ROUNDS;
    if (round === 1) process.stdout.write(`${name}: ${micros.toFixed(2)} us a line of ${bytes.toFixed(0)} bytes\n`);
  }
}
