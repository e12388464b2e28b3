// CloudEvents 1.0 in structured JSON, and batches of them, as lines of the ingest socket.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AdmitError } from "../../../../primary/admit/admit-error.js";
import { createAdmitter } from "../../../../primary/admit/admit-event.js";
import type { AdmittedEvent } from "../../../../primary/event.js";
import { MAX_BATCH_EVENTS, readLine } from "../../../../primary/sources/lines/read-line.js";
import { canonicalise } from "../../../../shared/format/canonical-json.js";

const admit = createAdmitter({ now: () => 1_700_000_000_000_000 });
const context = { source: "socket", actor: "operator" };

const EVENT = {
  specversion: "1.0",
  type: "com.github.pull_request.opened",
  source: "https://github.com/cloudevents/spec/pull",
  id: "A234-1234-1234",
};

function read(line: unknown) {
  return readLine(admit, Buffer.from(typeof line === "string" ? line : JSON.stringify(line)), context);
}

function one(more: object = {}, event: object = EVENT): AdmittedEvent {
  const result = read({ ...event, ...more });
  assert.ok(!Array.isArray(result));
  return result;
}

const stateOf = (event: AdmittedEvent) => JSON.parse(event.stateJson) as Record<string, unknown>;

function refusal(line: unknown): AdmitError {
  try {
    read(line);
  } catch (error) {
    assert.ok(error instanceof AdmitError, String(error));
    return error;
  }
  return assert.fail(`was admitted: ${JSON.stringify(line).slice(0, 200)}`);
}

describe("a CloudEvent", () => {
  test("of the specification's example becomes an event, and nothing of it is lost", () => {
    const event = one({
      subject: "123",
      time: "2018-04-05T17:31:00Z",
      comexampleextension1: "value",
      comexampleothervalue: 5,
      datacontenttype: "text/xml",
      data: '<much wow="xml"/>',
    });
    assert.deepEqual(event, {
      elementId: "https://github.com/cloudevents/spec/pull#123",
      elementType: "CloudEvent",
      action: "opened",
      actor: "operator",
      timestamp: "2018-04-05T17:31:00.000000Z",
      priority: "low",
      source: "socket",
      stateJson: canonicalise({
        type: EVENT.type,
        source: EVENT.source,
        subject: "123",
        comexampleextension1: "value",
        comexampleothervalue: 5,
        datacontenttype: "text/xml",
        data: '<much wow="xml"/>',
      }),
      reason: undefined,
      idempotencyKey: "ce:https://github.com/cloudevents/spec/pull:A234-1234-1234",
      redacted: undefined,
    });
  });

  test("with the least attributes has its source as element and the time of admission", () => {
    const event = one();
    assert.equal(event.elementId, EVENT.source);
    assert.equal(event.timestamp, "2023-11-14T22:13:20.000000Z");
    assert.deepEqual(stateOf(event), { type: EVENT.type, source: EVENT.source });
  });

  test("sets our fields with attributes of ours, which are not kept beside them", () => {
    const event = one({
      isochronelement: "interface:eth0",
      isochrontype: "NetworkInterface",
      isochronaction: "modified",
      isochronactor: "admin",
      isochronpriority: "high",
    });
    const { elementId, elementType, action, actor, priority } = event;
    assert.deepEqual(
      [elementId, elementType, action, actor, priority],
      ["interface:eth0", "NetworkInterface", "modified", "admin", "high"],
    );
    assert.deepEqual(stateOf(event), { type: EVENT.type, source: EVENT.source });
  });

  const actions: [type: string, action: string][] = [
    ["com.example.object.deleted.v2", "deleted"],
    ["com.example.someevent", "someevent"],
    ["created", "created"],
    ["com.example.", "example"],
    ["v1", "v1"],
    ["...", "..."],
  ];
  for (const [type, action] of actions) {
    test(`of type ${type} has the action ${action}`, () => assert.equal(one({ type }).action, action));
  }

  test("keeps any JSON as its data, also null, and Base64 as it came", () => {
    for (const data of [null, false, 0, "", [1, { b: 1, a: 2 }], { "10": 1, "9": 2 }]) {
      const event = one({ data });
      assert.deepEqual(stateOf(event).data, data);
      assert.equal(event.stateJson, canonicalise(JSON.parse(event.stateJson)));
    }
    const binary = stateOf(one({ data_base64: "aGk=" }));
    assert.deepEqual([binary.data, binary.data_encoding], ["aGk=", "base64"]);
    const digits = one({ "10": "a", "9": "b", data: 1 });
    assert.equal(digits.stateJson, canonicalise(JSON.parse(digits.stateJson)));
  });

  test("takes a null attribute as one that is left out", () => {
    assert.deepEqual(one({ subject: null, time: null, extension: null, isochronactor: null }), one());
  });

  test("is named by source and id, so that two of them never share a key and a long one still has one", () => {
    const key = (source: string, id: string) => one({ source, id }).idempotencyKey;
    assert.notEqual(key("a:b", "c"), key("a", "b:c"));
    assert.notEqual(key("a", "b:c"), key("a", "b%3Ac"));
    const long = "x".repeat(300);
    assert.match(key("a", long) ?? "", /^ce:sha256-[0-9a-f]{64}$/);
    assert.notEqual(key("a", long), key("a", `${long}y`));
    assert.equal(stateOf(one({ source: "a", id: long })).id, long);
  });

  test("has its secrets replaced, in data, in extensions and in attributes", () => {
    const event = one({ data: { db_password: "hunter2", url: "https://me:hunter2@h/" }, authtoken: "hunter2" });
    assert.ok(!event.stateJson.includes("hunter2"));
    assert.deepEqual(event.redacted, [
      "state_snapshot.authtoken",
      "state_snapshot.data.db_password",
      "state_snapshot.data.url",
    ]);
  });

  test("may hold as many levels of data as any event, and not one more", () => {
    const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
    const line = (levels: number) => `${JSON.stringify(EVENT).slice(0, -1)},"data":${nested(levels)}}`;
    assert.ok(!Array.isArray(read(line(62))));
    assert.equal(refusal(line(63)).code, "too-deep");
    assert.equal(refusal(line(5000)).code, "too-deep");
  });

  const { id: _id, ...withoutId } = EVENT;
  const refused: [name: string, event: object, code: string, field: string, value?: string | undefined][] = [
    ["another version", { ...EVENT, specversion: "0.3" }, "bad-cloudevent", "specversion", "0.3"],
    ["a version that is a number", { ...EVENT, specversion: 1 }, "bad-cloudevent", "specversion", "1"],
    ["no id", withoutId, "missing-field", "id"],
    ["an empty id", { ...EVENT, id: "" }, "empty", "id", '""'],
    ["an id that is null", { ...EVENT, id: null }, "missing-field", "id"],
    ["an id that is a number", { ...EVENT, id: 7 }, "wrong-type", "id", "7"],
    ["a source with a blank", { ...EVENT, source: "a b" }, "bad-cloudevent", "source", "a b"],
    ["a source with half an escape", { ...EVENT, source: "a%2" }, "bad-cloudevent", "source", "a%2"],
    ["an empty subject", { ...EVENT, subject: "" }, "empty", "subject", '""'],
    ["an empty type", { ...EVENT, type: "" }, "empty", "type", '""'],
    [
      "a time without an offset",
      { ...EVENT, time: "2018-04-05T17:31:00" },
      "bad-cloudevent",
      "time",
      "2018-04-05T17:31:00",
    ],
    [
      "a time that does not exist",
      { ...EVENT, time: "2018-02-30T17:31:00Z" },
      "bad-timestamp",
      "time",
      "2018-02-30T17:31:00Z",
    ],
    ["a content type that is none", { ...EVENT, datacontenttype: "json" }, "bad-cloudevent", "datacontenttype", "json"],
    ["a schema that is no URI", { ...EVENT, dataschema: "schema" }, "bad-cloudevent", "dataschema", "schema"],
    ["an upper-case attribute", { ...EVENT, dataContentType: "a/b" }, "unknown-field", "dataContentType"],
    ["a mistyped attribute of ours", { ...EVENT, isochronelemnt: "x" }, "unknown-field", "isochronelemnt"],
    ["structure in an extension", { ...EVENT, ext: { a: 1 } }, "wrong-type", "ext", undefined],
    ["a fraction in an extension", { ...EVENT, ext: 1.5 }, "wrong-type", "ext", undefined],
    ["an integer of more than 32 bits", { ...EVENT, ext: 2 ** 31 }, "wrong-type", "ext", undefined],
    ["a control character", { ...EVENT, subject: "a\nb" }, "control-character", "subject", '"a\\nb"'],
    ["data twice", { ...EVENT, data: 1, data_base64: "aGk=" }, "bad-cloudevent", "data_base64"],
    ["Base64 that is none", { ...EVENT, data_base64: "a" }, "bad-cloudevent", "data_base64"],
    ["an endless id", { ...EVENT, id: ":".repeat(20_000) }, "too-long", "id"],
    ["an endless extension", { ...EVENT, ext: "x".repeat(20_000) }, "too-long", "ext", undefined],
    ["a long type", { ...EVENT, type: "x".repeat(200) }, "too-long", "type"],
    ["a long subject", { ...EVENT, subject: "x".repeat(2000) }, "too-long", "subject"],
    ["a priority that is none", { ...EVENT, isochronpriority: "urgent" }, "bad-priority", "isochronpriority", "urgent"],
    ["an element of the ledger's", { ...EVENT, isochronelement: "store:1" }, "reserved", "isochronelement", "store:1"],
    ["data that is too large", { ...EVENT, data: "x".repeat(2 ** 20) }, "payload-too-large", "data"],
  ];
  for (const [name, event, code, field, value] of refused) {
    test(`is refused for ${name}, naming the attribute and the way out`, () => {
      const error = refusal(event);
      assert.deepEqual([error.code, error.field], [code, field]);
      if (value !== undefined) assert.equal(error.value, value);
      assert.ok(error.reason.length > 0 && error.hint.length > 0);
    });
  }

  test("is refused without a word of its secrets", () => {
    for (const event of [
      { ...EVENT, token: { a: "hunter2" } },
      { ...EVENT, authtoken: "hunter2\u0001" },
      { ...EVENT, source: "https://me:hunter2@host/ x" },
      { ...EVENT, data: 1, data_base64: "hunter2" },
      { ...EVENT, subject: `password=hunter2 ${"x".repeat(2000)}` },
    ]) {
      const error = refusal(event);
      assert.ok(!JSON.stringify({ ...error, message: error.message }).includes("hunter2"), error.field);
    }
  });

  test("is known by specversion alone: an event of our own form that holds the word elsewhere stays one", () => {
    const own = read({ element_id: "a", element_type: "b", action: "c", state_snapshot: { specversion: "1.0" } });
    assert.ok(!Array.isArray(own) && own.elementId === "a");
    assert.equal(refusal({ element_id: "a", action: "c" }).field, "element_type");
    assert.equal(refusal("5").code, "not-an-object");
  });
});

describe("a batch of CloudEvents", () => {
  const batch = (items: unknown[]) => {
    const result = read(items);
    assert.ok(Array.isArray(result));
    return result.map((item) => (item instanceof AdmitError ? [item.code, item.field] : item.idempotencyKey));
  };

  test("gives an event or a refusal for each of its items, in order", () => {
    assert.deepEqual(
      batch([
        { ...EVENT, source: "s", id: "1" },
        { ...EVENT, source: "s", id: "" },
        { element_id: "a", element_type: "b", action: "c" },
        7,
        { ...EVENT, source: "s", id: "2" },
      ]),
      ["ce:s:1", ["empty", "id"], ["not-an-object", undefined], ["not-an-object", undefined], "ce:s:2"],
    );
    assert.deepEqual(batch([]), []);
  });

  test("has the state of each item in canonical form", () => {
    const [item] = read([{ ...EVENT, data: { b: 1, a: [{ d: 1, c: 2 }] } }]) as [AdmittedEvent];
    assert.equal(item.stateJson, canonicalise(JSON.parse(item.stateJson)));
  });

  test("is refused as a whole where it holds too many events, or is not sound", () => {
    const item = JSON.stringify(EVENT);
    const many = `[${Array.from({ length: MAX_BATCH_EVENTS + 1 }, () => item).join(",")}]`;
    assert.equal(refusal(many).code, "batch-too-large");
    const twice = refusal(`[${item},${item.slice(0, -1)},"data":{"a":1,"a":2}}]`);
    assert.deepEqual([twice.code, twice.field], ["duplicate-key", "[1].data.a"]);
    const number = refusal(`[${item.slice(0, -1)},"data":9007199254740993}]`);
    assert.deepEqual([number.code, number.field], ["number-out-of-range", "[0].data"]);
  });
});
