// A question in other words than the event's, asked of a replica that has the primary's model, and of one that has not.
import assert from "node:assert/strict";
import { until } from "./ask-fleet.js";
import { MODEL } from "./bring-model.js";
import type { NspawnHost } from "./nspawn-host.js";

const EVENT = {
  element_id: "service:gate",
  element_type: "Service",
  action: "logged",
  state_snapshot: { message: "password rejected for admin" },
};
/** No word of it is in the event. */
const QUESTION = "credentials denied";

/** What is asked ends with a line about the legs of the search. */
interface Answer {
  element_id?: string;
  legs?: { vector: string };
}

export async function expectFoundByMeaning(primary: NspawnHost, replicas: readonly NspawnHost[]): Promise<void> {
  const [withModel, ...others] = replicas;
  assert.ok(withModel);
  await primary.must("sh", "-c", 'printf "%s\\n" "$1" | isochron-primary ingest -', "sh", JSON.stringify(EVENT));
  const asked = () => ask(withModel, primary);
  const lines = await until(asked, ([first]) => first?.element_id === EVENT.element_id, "it is not found by meaning");
  assert.match(vectorLeg(lines), new RegExp(`^${MODEL}-.*the question's own vector`));
  for (const replica of others) {
    const told = await ask(replica, primary);
    assert.match(vectorLeg(told), /not embedded here/, replica.name);
  }
}

async function ask(replica: NspawnHost, primary: NspawnHost): Promise<Answer[]> {
  const asked = ["search", QUESTION, "--store", `${primary.name}/isochron`, "--json"];
  const lines = (await replica.must("isochron-replica", ...asked)).split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Answer);
}

function vectorLeg(lines: readonly Answer[]): string {
  return lines.at(-1)?.legs?.vector ?? "";
}
