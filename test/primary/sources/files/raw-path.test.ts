import assert from "node:assert/strict";
import { test } from "node:test";
import {
  elementIdOf,
  fromText,
  isCut,
  pathOfElement,
  readablePath,
} from "../../../../primary/sources/files/raw-path.js";

test("every sequence of bytes has an id of its own, in plain text, from which it can be read back", () => {
  const paths = [
    "/etc/hosts",
    "/a%E9",
    "/a\xe9",
    fromText("/aé"),
    "/a%",
    "/a%25",
    "/\xed\xa0\x80",
    "/\xf0\x9f\x98",
    "/a\n",
  ];
  const random = Array.from({ length: 200 }, (_, seed) =>
    Array.from({ length: 12 }, (_, at) =>
      String.fromCharCode(((seed * 7919 + at * 104_729 + seed * at * 31) % 255) + 1),
    ).join(""),
  ).map((name) => `/${name.replaceAll("/", "x")}`);
  const ids = new Set<string>();
  for (const path of [...new Set([...paths, ...random])]) {
    const id = elementIdOf(path);
    assert.doesNotMatch(id, /\p{Cc}|\p{Cf}/u);
    assert.ok(id.isWellFormed() && !ids.has(id), id);
    ids.add(id);
    assert.equal(pathOfElement(id, {}), path);
  }
  assert.equal(elementIdOf("/a\xe9"), "file:/a%E9");
  assert.equal(elementIdOf(fromText("/aé")), "file:/aé");
});

test("a path that is too long for an id is cut, and stays apart from others that begin like it", () => {
  const long = `/${"folder/".repeat(300)}`;
  const [one, other] = [elementIdOf(`${long}a`), elementIdOf(`${long}b`)];
  assert.ok(isCut(one) && one.length <= 1024 && one !== other);
  assert.equal(pathOfElement(one, { path: readablePath(`${long}a`) }), `${long}a`);
  assert.equal(isCut(elementIdOf("/a%~b")), false);
});
