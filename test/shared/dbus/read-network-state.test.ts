import assert from "node:assert/strict";
import { test } from "node:test";
import { readNetworkState } from "../../../shared/dbus/read-network-state.js";

const UUID = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d01";

function row(element_id: string, source: string, state_snapshot: object) {
  return { element_id, element_type: "OvsPort", source, seq: 1, action: "modified", timestamp: "t", state_snapshot };
}

const change = { unseen: { from: "a", to: "b" } };

/** Answers as the query process does: one store, elements in two pages. */
async function ask(endpoint: string, { cursor }: Record<string, unknown>): Promise<string> {
  if (endpoint === "status") return JSON.stringify({ stores: [{ store: UUID, origin: "host1" }] });
  const first = [row("ovs-port:a", "ovsdb", { tag: 1, change }), row("ovs-port:b", "ovsdb", {})];
  const second = [row("ovs-port:c", "ovsdb", { change }), row("ovs-port:d", "socket", { change: "mine" })];
  return JSON.stringify(cursor === undefined ? { results: first, cursor: "2" } : { results: second });
}

test("what is gone is left out, whether it was seen to go or not, and what belonged to an event is no state", async () => {
  const { stores } = JSON.parse(await readNetworkState(ask, new AbortController().signal)) as {
    stores: { network: { OvsPort: { element_id: string; state: object }[] } }[];
  };
  assert.deepEqual(
    stores[0]?.network.OvsPort.map(({ element_id: id, state }) => [id, state]),
    [
      ["ovs-port:a", { tag: 1 }],
      ["ovs-port:d", { change: "mine" }],
    ],
  );
});
