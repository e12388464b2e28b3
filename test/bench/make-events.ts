// Event lines for benches: 500-byte states of network interfaces, as a host with a thousand of them would send.
import { Readable } from "node:stream";

const ELEMENTS = 1000;
const STATE_BYTES = 500;

export function eventLine(i: number, more: Record<string, unknown> = {}): string {
  const state: Record<string, unknown> = {
    name: `eth${i % ELEMENTS}`,
    mtu: 1500 + (i % 7) * 100,
    up: i % 3 !== 0,
    carrier_changes: i,
    addresses: [`10.${i % 200}.${(i * 7) % 250}.${(i * 13) % 250}/24`, `fe80::${(i * 2654435761).toString(16)}`],
    driver: ["virtio_net", "ixgbe", "mlx5_core"][i % 3],
  };
  const length = JSON.stringify(state).length + '"description":"",'.length;
  state.description = describe(i)
    .repeat(8)
    .slice(0, Math.max(0, STATE_BYTES - length));
  return JSON.stringify({
    element_id: `interface:eth${i % ELEMENTS}`,
    element_type: "NetworkInterface",
    action: "modified",
    actor: "admin",
    state_snapshot: state,
    priority: "low",
    ...more,
  });
}

/** `count` lines from number `from`, made as they are read. */
export function eventStream(from: number, count: number): Readable {
  function* lines(): Generator<string> {
    for (let at = from; at < from + count; at += 500) {
      const batch = Array.from({ length: Math.min(500, from + count - at) }, (_, i) => eventLine(at + i));
      yield `${batch.join("\n")}\n`;
    }
  }
  return Readable.from(lines(), { objectMode: true, highWaterMark: 4 });
}

function describe(i: number): string {
  const words = ["uplink", "rack", "switch", "vlan", "storage", "tenant", "backup", "spare"];
  return `${words[i % 8]} ${words[(i * 3) % 8]} port ${(i * 31) % 48} `;
}
