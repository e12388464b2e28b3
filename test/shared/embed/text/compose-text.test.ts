// What an embedded text promises: events that say the same share it, it is bounded, and a version of it is for ever.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { composeText, TEXT_VERSION } from "../../../../shared/embed/text/compose-text.js";
import { maskText } from "../../../../shared/embed/text/mask-text.js";
import { canonicalise, type JsonValue } from "../../../../shared/format/canonical-json.js";
import type { Entry } from "../../../../shared/format/entry.js";

type Composed = Pick<Entry, "action" | "element_id" | "element_type">;

interface FrozenTexts {
  version: string;
  texts: { entry: Composed; state: JsonValue; text: string; sha256: string }[];
  masks: { text: string; masked: string }[];
}

const frozenFile = new URL("../../../../../test/shared/embed/vectors/text-1.json", import.meta.url);
const frozen = JSON.parse(readFileSync(frozenFile, "utf8")) as FrozenTexts;
const service: Composed = { action: "logged", element_id: "service:sshd@web1", element_type: "Service" };

function say(message: string): string {
  return composeText(service, { message });
}

test("frozen events keep their texts: a change needs a new version", () => {
  assert.equal(TEXT_VERSION, frozen.version);
  for (const { entry, state, text, sha256 } of frozen.texts) {
    assert.equal(composeText(entry, state), text);
    assert.equal(createHash("sha256").update(text).digest("hex"), sha256);
  }
  for (const { text, masked } of frozen.masks) assert.equal(maskText(text), masked, text);
});

test("a text is the same for the state as it is stored and read back", () => {
  for (const { entry, state, text } of frozen.texts) {
    assert.equal(composeText(entry, JSON.parse(canonicalise(state)) as JsonValue), text);
  }
});

test("events that differ in numbers, addresses, ids and times only have one text", () => {
  const texts = [
    "2026-11-20T10:05:00Z Failed password for root from 10.0.0.1 port 4242 (session 9f86d081884c7d65)",
    "2025-01-02 23:59:59.123 Failed password for root from fe80::1%eth0 port 51 (session f8d5b7b2-16d1-4f0a-9d3c-0123456789ab)",
    "Nov 3 00:00:01 Failed password for root from 78:dd:08:d2:3d:43 port 65535 (session 0xdeadbeef)",
  ];
  assert.deepEqual([...new Set(texts.map(say))], ["failed password for root from port session, service sshd web1"]);
});

test("what somebody wrote comes first, then who and what, then the other members", () => {
  const state = { a: "x y", message: "link is down", up: false, zone: "public" };
  const event = { action: "changed", element_id: "interface:eth0", element_type: "NetworkInterface" };
  assert.equal(composeText(event, state), "link is down, network interface eth0 changed, a x y, zone public");
});

test("what is false is told where little else is", () => {
  const event = { action: "modified", element_id: "feature:wifi", element_type: "Feature" };
  assert.equal(composeText(event, { enabled: false }), "feature wifi modified, not enabled");
  assert.equal(composeText(event, { a: "b", c: "d", enabled: false }), "feature wifi modified, a b, c d");
});

test("a diff is what was removed and what was added", () => {
  const diff = "--- /etc/x\n+++ /etc/x\n@@ -1,2 +1,2 @@\n same line\n-PermitRootLogin no\n+PermitRootLogin yes\n";
  const event = { action: "modified", element_id: "file:/etc/ssh/sshd_config", element_type: "File" };
  assert.equal(
    composeText(event, { change: { diff } }),
    "removed permit root login no, added permit root login yes, file etc ssh sshd config modified",
  );
});

test("a text is bounded whatever the state, and ends with a whole word", () => {
  const states: JsonValue[] = [
    "word ".repeat(100_000),
    "x".repeat(100_000),
    "磁".repeat(100_000),
    "\ud83d\ude00 ".repeat(10_000),
    Array.from({ length: 10_000 }, (_, i) => ({ [`name${"abcdefgh"[i % 8]}`]: "some words" })),
    Object.fromEntries(
      Array.from({ length: 10_000 }, (_, i) => [`member number ${String.fromCharCode(97 + (i % 26))}`, `w${i}`]),
    ),
    "::".repeat(50_000),
    "a:".repeat(50_000),
    "1-".repeat(50_000),
    "Nov ".repeat(50_000),
  ];
  for (const state of states) {
    const text = composeText(service, state);
    assert.ok(text.length > 0 && text.length <= 480, `${text.length} characters`);
    assert.ok(text.isWellFormed());
  }
  assert.match(composeText(service, states[0] as JsonValue), /^(word )+word, service sshd web1$/);
});

test("a state that is nested too deep is told as far as it is read", () => {
  let state: JsonValue = { message: "the bottom" };
  for (let depth = 0; depth < 2000; depth += 1) state = depth % 2 === 0 ? [state] : { a: "level", b: state };
  assert.equal(composeText(service, state), "service sshd web1 logged, a level");
});

test("an event without any word has a text all the same", () => {
  assert.equal(composeText({ action: "1", element_id: "2", element_type: "3" }, 4), "event");
});
