// Admission: what is kept, what is refused and how the refusal speaks, and that no secret passes.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AdmitError } from "../../../primary/admit/admit-error.js";
import { createAdmitter } from "../../../primary/admit/admit-event.js";
import { canonicalise } from "../../../shared/format/canonical-json.js";

const admit = createAdmitter({ now: () => 1_700_000_000_000_000 });
const context = { source: "socket" };

function line(fields: object): Buffer {
  return Buffer.from(
    JSON.stringify({ element_id: "interface:eth0", element_type: "If", action: "modified", ...fields }),
  );
}

function refusal(bytes: Buffer | string): AdmitError {
  try {
    admit(Buffer.from(bytes as string), context);
  } catch (error) {
    assert.ok(error instanceof AdmitError, String(error));
    return error;
  }
  return assert.fail(`was admitted: ${bytes.toString().slice(0, 200)}`);
}

const HEAD = '"element_id":"a","element_type":"b","action":"c"';
const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;

describe("a line is refused, naming the field", () => {
  const refused: [name: string, line: Buffer | string, code: string, field: string | undefined, value?: string][] = [
    ["bytes that are not UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), "not-utf8", undefined],
    ["half a JSON object", '{"element_id":"a"', "not-json", undefined],
    ["rubbish after the object", `{${HEAD}} x`, "not-json", undefined, "x"],
    ["a raw control character", `{${HEAD},"reason":"a\u0001"}`, "not-json", "reason"],
    ["an array", "[]", "not-an-object", undefined],
    ["a plain null", "null", "not-an-object", undefined],
    ["a missing element_id", '{"element_type":"b","action":"c"}', "missing-field", "element_id"],
    ["an empty action", line({ action: "" }), "empty", "action", '""'],
    ["a number as actor", line({ actor: 7 }), "wrong-type", "actor", "7"],
    ["a newline in the element id", line({ element_id: "a\nb" }), "control-character", "element_id", '"a\\nb"'],
    ["a long action", line({ action: "x".repeat(200) }), "too-long", "action"],
    ["an element id over the entry's size", line({ element_id: "x".repeat(70_000) }), "entry-too-large", "element_id"],
    ["a duplicate field", `{${HEAD},"action":"d"}`, "duplicate-key", "action", "action"],
    [
      "a duplicate key deep down",
      `{${HEAD},"state_snapshot":{"a":[{"b":1,"b":2}]}}`,
      "duplicate-key",
      "state_snapshot.a[0].b",
      "b",
    ],
    [
      "a duplicate key spelt with an escape",
      `{${HEAD},"state_snapshot":{"a":1,"\\u0061":2}}`,
      "duplicate-key",
      "state_snapshot.a",
      "a",
    ],
    [
      "a duplicate __proto__",
      `{${HEAD},"state_snapshot":{"__proto__":1,"__proto__":2}}`,
      "duplicate-key",
      "state_snapshot.__proto__",
    ],
    [
      "an integer beyond 2^53",
      `{${HEAD},"state_snapshot":{"n":9007199254740993}}`,
      "number-out-of-range",
      "state_snapshot.n",
      "9007199254740993",
    ],
    ["an infinite number", `{${HEAD},"state_snapshot":[1e400]}`, "number-out-of-range", "state_snapshot[0]", "1e400"],
    ["a lone surrogate", `{${HEAD},"state_snapshot":{"s":"\\ud800"}}`, "lone-surrogate", "state_snapshot.s"],
    ["a lone surrogate in a key", `{${HEAD},"state_snapshot":{"\\udc00":1}}`, "lone-surrogate", "state_snapshot"],
    [
      "a lone surrogate in the element id",
      `{"element_id":"\\ud800","element_type":"b","action":"c"}`,
      "lone-surrogate",
      "element_id",
    ],
    ["a bottomless state", `{${HEAD},"state_snapshot":${nested(50_000)}}`, "too-deep", undefined],
    ["a field that does not exist", line({ elment_id: "x" }), "unknown-field", "elment_id"],
    ["a source", line({ source: "dbus" }), "unknown-field", "source"],
    ["a prototype", `{${HEAD},"__proto__":{"actor":"x"}}`, "unknown-field", "__proto__"],
    ["a time in words", line({ timestamp: "yesterday" }), "bad-timestamp", "timestamp", "yesterday"],
    ["a day that does not exist", line({ timestamp: "2026-02-30T00:00:00.000000Z" }), "bad-timestamp", "timestamp"],
    ["a time too late to be counted", line({ timestamp: "2255-06-05T23:47:34.740992Z" }), "bad-timestamp", "timestamp"],
    [
      "a time too early to be counted",
      line({ timestamp: "1684-07-28T00:12:25.259008Z" }),
      "bad-timestamp",
      "timestamp",
    ],
    ["a far year", line({ timestamp: "9999-01-01" }), "bad-timestamp", "timestamp", "9999-01-01"],
    ["a priority that does not exist", line({ priority: "urgent" }), "bad-priority", "priority", "urgent"],
    ["the ledger's element type", line({ element_type: "Store" }), "reserved", "element_type", "Store"],
    ["the ledger's element id", line({ element_id: "store:1" }), "reserved", "element_id", "store:1"],
    ["a long idempotency key", line({ idempotency_key: "k".repeat(257) }), "too-long", "idempotency_key"],
    ["a payload over 1 MiB", line({ state_snapshot: "x".repeat(1024 * 1024) }), "payload-too-large", "state_snapshot"],
    ["a reason that is no text", line({ reason: { password: "hunter2" } }), "wrong-type", "reason", "[redacted]"],
  ];
  for (const [name, bytes, code, field, value] of refused) {
    test(name, () => {
      const error = refusal(bytes);
      assert.equal(error.code, code);
      if (field !== undefined || code !== "too-deep") assert.equal(error.field, field);
      if (value !== undefined) assert.equal(error.value, value);
      assert.ok(error.reason.length > 0 && error.hint.length > 0);
    });
  }

  test("whatever its length, when a string is not closed or ends in a bad escape", () => {
    const mebibyte = 1024 * 1024;
    for (const filling of ["a".repeat(mebibyte), "\\n".repeat(mebibyte / 2), "\\u0041".repeat(mebibyte / 6)]) {
      const head = `{${HEAD},"reason":"${filling}`;
      const unclosed = refusal(head);
      assert.deepEqual([unclosed.code, unclosed.field], ["not-json", "reason"]);
      assert.equal(unclosed.reason, "the JSON ends too early");
      const badEscape = refusal(`${head}\\x"}`);
      assert.deepEqual([badEscape.code, badEscape.field], ["not-json", "reason"]);
      assert.match(badEscape.reason, new RegExp(`column ${head.length + 1}$`));
    }
    assert.equal(refusal(`{${HEAD},"state_snapshot":${"9".repeat(mebibyte)}x}`).code, "number-out-of-range");
    assert.equal(refusal(`{${HEAD},"reason":"${"k".repeat(mebibyte)}`).code, "not-json");
  });

  test("with the column and the name of a raw control character", () => {
    const error = refusal(`{${HEAD},"reason":"ab\u0001"}`);
    assert.deepEqual([error.value, error.reason], ["\\u0001", `not JSON from column ${HEAD.length + 15}`]);
  });

  test("with the nearest name as the way out", () => {
    assert.match(refusal(line({ elment_id: "x" })).hint, /element_id/);
    assert.match(refusal(line({ state: {} })).hint, /state_snapshot/);
  });

  test("without the secret that stands there", () => {
    const secret = "9007199254740993";
    const error = refusal(`{${HEAD},"state_snapshot":{"wifi":{"psk":${secret}}}}`);
    assert.equal(error.field, "state_snapshot.wifi.psk");
    assert.equal(error.value, "[redacted]");
    for (const bytes of [
      `{${HEAD},"password":"hunter2"}`,
      `{${HEAD},"reason":"password=hunter2" x}`,
      line({ action: `password=hunter2 ${"x".repeat(200)}` }),
      line({ actor: { name: "DB_PASSWORD", value: "hunter2" } }),
      line({ element_id: { password: ["hunter2"] } }),
    ]) {
      assert.ok(!JSON.stringify({ ...refusal(bytes), message: refusal(bytes).message }).includes("hunter2"));
    }
  });
});

describe("an event is complete", () => {
  test("with the defaults of what was left out", () => {
    const event = admit(line({}), { source: "socket", actor: "operator" });
    assert.deepEqual(
      { ...event, reason: event.reason ?? null },
      {
        elementId: "interface:eth0",
        elementType: "If",
        action: "modified",
        actor: "operator",
        timestamp: "2023-11-14T22:13:20.000000Z",
        priority: "low",
        source: "socket",
        stateJson: "{}",
        reason: null,
        idempotencyKey: undefined,
        redacted: undefined,
      },
    );
    assert.equal(admit(line({}), context).actor, "unknown");
  });

  test("with a priority by its action, unless it names one", () => {
    const priority = (fields: object) => admit(line(fields), context).priority;
    assert.equal(priority({ action: "security_breach" }), "critical");
    assert.equal(priority({ action: "bridge_down" }), "high");
    assert.equal(priority({ action: "config_changed" }), "medium");
    assert.equal(priority({ action: "constructor" }), "low");
    assert.equal(priority({ action: "security_breach", priority: "low" }), "low");
  });

  test("with its time in the stored form", () => {
    const time = (timestamp: string) => admit(line({ timestamp }), context).timestamp;
    assert.equal(time("2026-11-20T11:05:00.5+01:00"), "2026-11-20T10:05:00.500000Z");
    assert.equal(time("2026-11-20T10:05:00.123456Z"), "2026-11-20T10:05:00.123456Z");
    for (const edge of ["1684-07-28T00:12:25.259009Z", "1699-12-31T23:59:59.999999Z", "2255-06-05T23:47:34.740991Z"]) {
      assert.equal(time(edge), edge);
    }
  });

  test("with its state in canonical form, whatever the order of the keys", () => {
    const states = [
      { b: 1, a: { d: [1.5, -0, 1e21 / 1e6], c: null } },
      { "10": 1, "9": 2, a: "€\u2028😀\\" },
      [],
      "text with \\u escapes: \u0007",
      { "😀": 1, "\ufb33": 2 },
      0,
    ];
    for (const state_snapshot of states) {
      assert.equal(admit(line({ state_snapshot }), context).stateJson, canonicalise(state_snapshot as never));
    }
    const proto = admit(Buffer.from(`{${HEAD},"state_snapshot":{"b":1,"__proto__":{"x":1},"a":2}}`), context);
    assert.equal(proto.stateJson, '{"__proto__":{"x":1},"a":2,"b":1}');
  });
});

describe("a secret is replaced", () => {
  const admitted = (state_snapshot: unknown) => admit(line({ state_snapshot }), context);

  test("under every spelling of a secret key, with its path", () => {
    const event = admitted({
      wifi_psk: "hunter2",
      "client-secret": "hunter2",
      list: [{ "X-Auth-Token": "hunter2" }],
      wireguard: { "private-key": "hunter2", peer: { presharedKey: ["hunter2"] } },
      apiKey: 12345,
      DB_PASSWORD_2: { nested: "hunter2" },
      credentials: "hunter2",
    });
    assert.ok(!event.stateJson.includes("hunter2") && !event.stateJson.includes("12345"));
    assert.deepEqual([...(event.redacted ?? [])].sort(), [
      "state_snapshot.DB_PASSWORD_2",
      "state_snapshot.apiKey",
      "state_snapshot.client-secret",
      "state_snapshot.credentials",
      "state_snapshot.list[0].X-Auth-Token",
      "state_snapshot.wifi_psk",
      "state_snapshot.wireguard.peer.presharedKey",
      "state_snapshot.wireguard.private-key",
    ]);
  });

  test("but not under keys that only speak of secrets", () => {
    const state = {
      token_count: 3,
      "psk-flags": 0,
      password_changed_at: "now",
      public_key: "abc",
      password: null,
      secret: true,
    };
    const event = admitted(state);
    assert.equal(event.redacted, undefined);
    assert.deepEqual(JSON.parse(event.stateJson), state);
  });

  test("in a pair of name and value, and in a change of a field", () => {
    const event = admitted([
      { name: "DB_PASSWORD", value: "hunter2" },
      { field: "psk", old: "hunter2", new: "hunter3" },
    ]);
    assert.ok(!event.stateJson.includes("hunter"));
  });

  const texts: [string, string][] = [
    ["curl -u x --password hunter2 url", "curl -u x --password [redacted] url"],
    ["mysql --password=hunter2 -h db", "mysql --password=[redacted] -h db"],
    ["DB_PASSWORD='hunter2 x' run", "DB_PASSWORD='[redacted]' run"],
    ['{"api_key": "hunter2", "a": 1}', '{"api_key": "[redacted]", "a": 1}'],
    ["{'password' : 'hunter2'}", "{'password' : '[redacted]'}"],
    ["{'password'  :  'hunter2'}", "{'password'  :  '[redacted]'}"],
    ['{"api_key" : "hunter2"}', '{"api_key" : "[redacted]"}'],
    ["Authorization: Bearer hunter2hunter2", "Authorization: Bearer [redacted]"],
    ["sent bearer abcdef123456789", "sent bearer [redacted]"],
    ["clone https://me:hunter2@host/x", "clone https://me:[redacted]@host/x"],
    ["-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----", "[redacted]"],
  ];
  for (const [text, hidden] of texts) {
    test(`inside a string: ${text.slice(0, 40)}`, () => {
      const event = admit(line({ state_snapshot: { cmd: text }, reason: text }), context);
      assert.equal((JSON.parse(event.stateJson) as { cmd: string }).cmd, hidden);
      assert.equal(event.reason, hidden);
      assert.deepEqual([...(event.redacted ?? [])].sort(), ["reason", "state_snapshot.cmd"]);
    });
  }

  test("and ordinary log lines stay as they are", () => {
    const message =
      "pam_unix(sshd:auth): authentication failure; logname= uid=0 tty=ssh rhost=10.0.0.1 Failed password for root";
    assert.equal(admitted({ message }).redacted, undefined);
    assert.equal(admitted({ path: "bearer /org/freedesktop/ModemManager1/Bearer/0" }).redacted, undefined);
  });

  test("by the operator's own list when there is one", () => {
    const own = createAdmitter({ redactKeys: ["pin"] });
    const event = own(line({ state_snapshot: { sim_pin: "1234", password: "kept" } }), context);
    assert.equal(event.stateJson, '{"password":"kept","sim_pin":"[redacted]"}');
  });

  test("as well when its line could hold one in one place only: by key, by name, in the reason", () => {
    for (const [fields, path] of [
      [{ state_snapshot: { a: [{ b: { pin_token: 1 } }] } }, "state_snapshot.a[0].b.pin_token"],
      [{ state_snapshot: { a: { key: "psk", new_value: 1 } } }, "state_snapshot.a.new_value"],
      [{ reason: "--psk hunter2" }, "reason"],
    ] as const) {
      assert.deepEqual(admit(line(fields), context).redacted, [path]);
    }
  });

  test("without hostile text holding up admission or growing it", () => {
    for (const text of [
      "=".repeat(500_000),
      "-".repeat(500_000),
      `${"a".repeat(500_000)}=`,
      'password="'.repeat(50_000),
      "://".repeat(150_000),
      "password=[redacted".repeat(50_000),
      "password=[redacted]".repeat(50_000),
      `${"a".repeat(40)}!${"=".repeat(40)}`.repeat(12_000),
      `password="${"\\n".repeat(500_000)}`,
      `-----BEGIN PRIVATE KEY-----${"-".repeat(1_000_000)}`,
      "-----BEGIN PRIVATE KEY-----".repeat(36_000),
      "authorization:".repeat(70_000),
      "bearer aaaaaaa".repeat(70_000),
      " --a-b-c".repeat(125_000),
    ]) {
      admitted({ text });
    }
    const many = { ["k".repeat(300_000)]: Array.from({ length: 20_000 }, () => ({ token: 1 })) };
    assert.equal(refusal(line({ state_snapshot: many })).code, "payload-too-large");
  });
});
