// A store that began with rows of the first heuristic and goes on with those of the second: each is queried in its own space.
import assert from "node:assert/strict";
import { test } from "node:test";
import { embedHeuristic, heuristicSpace } from "../../../../shared/embed/heuristic.js";
import { addAction, NO_ACTIONS } from "../../../../shared/embed/recent-actions.js";
import { parseSpace, type Space, spaceName } from "../../../../shared/format/space.js";
import { createLogger } from "../../../../shared/log.js";
import { QueryEngine } from "../../../../shared/query/engine.js";
import { StoreBuilder, seededRandom, type TestEvent, unitVector } from "../../../support/build-store.js";
import { withFolder } from "../../../support/with-folder.js";

const UUID = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d02";
const OLD =
  '{"dimensions":64,"dtype":"f32","fingerprint":"b0d44257814d0221dbc4c6b8c11c7e20dca78599950f28039e3ed9058eb63f8d","format":1,"metric":"cosine","model":"heuristic","normalised":true}\n';
const oldSpace: Space = parseSpace(OLD);
const log = createLogger("error", () => true);
const MESSAGES = ["link is down on the uplink", "disk nearly full", "session opened for alice", "clock was stepped"];
const EVENTS = 60;
const ALARM_MICROS = Date.UTC(2026, 10, 21) * 1000;

function eventOf(i: number): TestEvent {
  const kind = i % MESSAGES.length;
  return {
    element: `service:${"abcd"[kind]}${i % 3}`,
    type: "Service",
    action: ["logged", "failed"][i % 2] as string,
    actor: "syslog",
    state: { message: `${MESSAGES[kind]} ${i < EVENTS ? "before" : "after"}` },
  };
}

/** As the first heuristic's are: alike where the message is. */
function oldVector(i: number, random: () => number): Float32Array {
  return unitVector(
    Float32Array.from({ length: oldSpace.dimensions }, (_, at) => (at % 4 === i % 4 ? 1 : 0) + random() / 9),
  );
}

function withVectors(from: number): TestEvent[] {
  const random = seededRandom(7);
  let recent = NO_ACTIONS;
  return Array.from({ length: EVENTS }, (_, at) => {
    const event = eventOf(from + at);
    const entry = {
      action: event.action ?? "",
      element_id: event.element,
      element_type: event.type ?? "",
      timestamp: "2026-11-20T10:05:00.000000Z",
    };
    const vector = from === 0 ? oldVector(at, random) : embedHeuristic(entry, event.state, recent);
    recent = addAction(recent, entry.action);
    return { ...event, vector };
  });
}

async function withBoth(body: (engine: QueryEngine) => Promise<void>): Promise<void> {
  await withFolder(async (root) => {
    const builder = await StoreBuilder.create({ root, uuid: UUID, space: oldSpace });
    await builder.seal(withVectors(0));
    await builder.goOnIn(heuristicSpace);
    await builder.seal(withVectors(EVENTS));
    const alarm = {
      element: "alarm:door",
      type: "Alarm",
      action: "raised",
      actor: "syslog",
      state: {},
      atMicros: ALARM_MICROS,
    };
    await builder.seal([alarm]);
    const engine = new QueryEngine({ root, indexProcesses: 1, log });
    await engine.start();
    try {
      await body(engine);
    } finally {
      await engine.stop();
    }
  });
}

test("an event finds those like it in the space that it has its vector in", () =>
  withBoth(async (engine) => {
    for (const [seq, space] of [
      [9, oldSpace],
      [EVENTS + 10, heuristicSpace],
    ] as const) {
      const answer = await engine.similar(undefined, { seq, limit: 5 });
      assert.equal(answer.space, spaceName(space));
      const kinds = answer.results.map(({ element_id }) => element_id.slice(0, -1));
      assert.deepEqual(kinds, Array(5).fill(answer.of.element_id.slice(0, -1)), `like event ${seq}`);
      assert.ok(answer.results.every(({ cosine }) => cosine > 0.8 && cosine <= 1.000001));
    }
  }));

test("what words find is looked around in both spaces, and what the vectors found is of both", () =>
  withBoth(async (engine) => {
    const { legs, results } = await engine.search(undefined, {
      words: "uplink before after",
      limit: 30,
      mode: "semantic",
    });
    assert.match(
      legs.vector,
      new RegExp(
        `${spaceName(oldSpace)}.*; ${spaceName(heuristicSpace)}|${spaceName(heuristicSpace)}.*; ${spaceName(oldSpace)}`,
      ),
    );
    const ages = results.map(({ seq }) => (seq <= EVENTS ? "old" : "new"));
    assert.ok(ages.filter((age) => age === "old").length >= 10, ages.join(" "));
    assert.ok(ages.filter((age) => age === "new").length >= 10, ages.join(" "));
    assert.equal(new Set(results.map(({ seq }) => seq)).size, results.length);
  }));

test("what is unusual is told against the events of both", () =>
  withBoth(async (engine) => {
    const { results } = await engine.anomalies(undefined, { fromMicros: ALARM_MICROS, limit: 10 });
    const [first] = results;
    assert.deepEqual([first?.kind, first?.element_type, first?.of], ["new", "Alarm", 2 * EVENTS]);
  }));
