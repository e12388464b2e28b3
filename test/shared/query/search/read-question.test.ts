import assert from "node:assert/strict";
import { test } from "node:test";
import { readQuestion } from "../../../../shared/query/search/read-question.js";

const namesOf = (text: string) => readQuestion(text).names;

test("what is written like a name is one: devices, addresses, units, paths, codes", () => {
  assert.deepEqual(namesOf("eth0 lost its carrier"), ["eth0"]);
  assert.deepEqual(namesOf("who touched /etc/ssh/sshd_config?"), ["/etc/ssh/sshd_config"]);
  assert.deepEqual(namesOf("nginx.service failed on 10.0.0.7, why"), ["nginx.service", "10.0.0.7"]);
  assert.deepEqual(namesOf("(fe80::1) user@host vmbr0:1 wlp3s0."), ["fe80::1", "user@host", "vmbr0:1", "wlp3s0"]);
  assert.deepEqual(namesOf("status 404 from process 24227"), ["404", "24227"]);
});

test("what is in quotes is a name, as a whole", () => {
  assert.deepEqual(namesOf('connections that ended with "broken pipe" today'), ["broken pipe"]);
  assert.deepEqual(namesOf("“link is down” on eth1"), ["link is down", "eth1"]);
});

test("words of a sentence are no names: hyphens, capitals, small numbers, full stops", () => {
  for (const text of [
    "brute-force attack stopped after 3 tries.",
    "PAM rejected the user's credentials",
    "What happened? NetworkManager went away!",
    "the 2 disks (both) are full: no space left",
  ]) {
    assert.deepEqual(namesOf(text), [], text);
  }
});

test("a question has a meaning if something is left of it without its names", () => {
  assert.equal(readQuestion("ovsbr1").meaning, "");
  assert.equal(readQuestion('10.0.0.7 "eth0"').meaning, "");
  assert.equal(readQuestion("eth0 veth0").meaning, "");
  assert.equal(readQuestion("eth0 lost carrier").meaning, "eth0 lost carrier");
  assert.equal(readQuestion("who logged in from 10.0.0.7").meaning, "who logged in from");
});

test("words are split at spaces and control characters, and each says something", () => {
  assert.deepEqual(readQuestion("eth4\0changes\t- *").words, ["eth4", "changes"]);
  assert.deepEqual(readQuestion('"" - *'), { words: [], names: [], meaning: "" });
});

test("a question of names only is bounded, however long it is", () => {
  const many = Array.from({ length: 500 }, (_, i) => `eth${i}`).join(" ");
  assert.equal(namesOf(many).length, 8);
  assert.equal(readQuestion(many).words.length, 500);
});
