import assert from "node:assert/strict";
import { test } from "node:test";
import { loadPrimaryConfig, primaryConfigSchema } from "../../../primary/config.js";
import { loadReplicaConfig, replicaConfigSchema } from "../../../replica/config.js";
import type { ConfigError } from "../../../shared/config/config-error.js";
import { describeOptions } from "../../../shared/config/describe-options.js";
import { formatSize, parseSize } from "../../../shared/config/parse-size.js";
import { generateSigner, KEY_TYPE } from "../../../shared/format/signed-note.js";
import { withConfigFile as withFile } from "../../support/with-config-file.js";

test("an empty file gives every option its default, and the result is frozen", async () => {
  const config = await loadPrimary("");
  assert.equal(config.admit.max_payload_bytes, 1024 * 1024);
  assert.equal(config.run_dir, "/var/lib/isochron/primary/run");
  assert.deepEqual(config.replicas, []);
  assert.ok(Object.isFrozen(config.seal));
});

test("--root wins over the file, and the sockets follow it", async () => {
  await withFile("root: /from/file\n", async (path) => {
    const { config } = await loadPrimaryConfig({ config: path, root: "/from/line/" });
    assert.equal(config.root, "/from/line");
    assert.equal(config.run_dir, "/from/line/run");
  });
});

test("each wrong option is named with its value and what it may be", async () => {
  const text = [
    "seal: {high_ms: 0, foo: 1}",
    "admit: {max_payload_bytes: 1Q}",
    "vectorize: {level: best}",
    "root: relative",
    "replicas: [{name: a, host: b, host_key: zz}]",
  ].join("\n");
  await assert.rejects(loadPrimary(text), (error: ConfigError) => {
    const { code, message } = error;
    const expected = [
      "seal.high_ms: 0: must be a whole number from 1 to 3600000",
      "seal.foo: there is no such option",
      'admit.max_payload_bytes: "1Q": must be a size',
      'vectorize.level: "best": must be one of none, heuristic, low, medium, high',
      'root: "relative": must be an absolute path',
      'replicas[0].host_key: "zz": must be an OpenSSH public key',
    ];
    for (const part of expected) assert.ok(message.includes(part), `${part} in ${message}`);
    return code === "bad-option";
  });
});

test("an option that every object has by itself is unknown like any other", async () => {
  await assert.rejects(loadPrimary("__proto__: {high_ms: 1}"), /__proto__: there is no such option/);
  await assert.rejects(loadPrimary("seal: {constructor: 1}"), /seal\.constructor: there is no such option/);
});

test("durations are written as people write them, and a bare number is refused", async () => {
  const delays: [text: string, ms: number][] = [
    ["10ms", 10],
    ["90s", 90_000],
    ["1.5min", 90_000],
    ["2h", 7_200_000],
    ["1w", 604_800_000],
  ];
  for (const [text, ms] of delays) {
    assert.equal((await loadPrimary(`seal: {batch: {max_delay: ${text}}}`)).seal.batch.max_delay, ms, text);
  }
  const refused = /max_delay: .*: must be a duration from 10ms to 1w, such as 90s, 15min/;
  for (const text of ["9ms", "8d", "30", '"30"', "soon", "-1s"]) {
    await assert.rejects(loadPrimary(`seal: {batch: {max_delay: ${text}}}`), refused, text);
  }
});

test("two replicas of one name are refused", async () => {
  const hostKey = `ssh-ed25519 ${"A".repeat(68)}`;
  const one = `{name: a, host: b, host_key: ${hostKey}}`;
  await assert.rejects(loadPrimary(`replicas: [${one}, ${one}]`), /replicas\[1\]\.name: "a": is there twice/);
  assert.equal((await loadPrimary(`replicas: [${one}]`)).replicas[0]?.port, 22);
});

test("a socket path that the kernel would cut off is refused, naming run_dir", async () => {
  await assert.rejects(loadPrimary(`root: /${"x".repeat(100)}`), /run_dir/);
  await loadPrimary(`root: /${"x".repeat(100)}\nrun_dir: /run/isochron`);
});

test("a file that is not there, is not YAML or holds no options is refused", async () => {
  await assert.rejects(loadPrimaryConfig({ config: "/nowhere/x.yaml" }), { code: "missing" });
  await assert.rejects(loadPrimary("a: [1"), { code: "not-yaml" });
  await assert.rejects(loadPrimary("a: 1\na: 2"), { code: "not-yaml" });
  await assert.rejects(loadPrimary("- a"), { code: "not-yaml" });
});

test("a replica's trust takes primaries' vkeys only", async () => {
  const primary = generateSigner("a", KEY_TYPE.ed25519).vkey;
  const replica = generateSigner("b", KEY_TYPE.cosignature).vkey;
  await withFile(`trust: ["${primary}"]\nreceive: {min_free_bytes: 1GiB}\n`, async (path) => {
    const { config } = await loadReplicaConfig({ config: path });
    assert.deepEqual(config.trust, [primary]);
    assert.equal(config.receive.min_free_bytes, 2 ** 30);
  });
  await withFile(`trust: ["${replica}"]`, async (path) => {
    await assert.rejects(loadReplicaConfig({ config: path }), /trust\[0\]: .*not a primary's key/);
  });
});

test("every option is described, with the default that is in force", async () => {
  for (const schema of [primaryConfigSchema, replicaConfigSchema]) {
    const options = describeOptions(schema);
    assert.ok(options.length >= 6);
    for (const { name, text } of options) assert.ok(text.length > 10, name);
  }
  const names = describeOptions(primaryConfigSchema).map((option) => option.name);
  // A group in which nothing is set has its options below it.
  const isKnown = (path: string) => names.some((name) => name === path || name.startsWith(`${path}.`));
  for (const path of leafPaths(await loadPrimary(""))) assert.ok(isKnown(path), path);
});

test("sizes are read in powers of 1024", () => {
  const good: [string, number][] = [
    ["4G", 4 * 2 ** 30],
    ["512M", 512 * 2 ** 20],
    ["64MiB", 64 * 2 ** 20],
    ["1.5k", 1536],
    ["100", 100],
  ];
  for (const [text, bytes] of good) assert.equal(parseSize(text), bytes, text);
  for (const text of ["", "G", "-1", "4 X", "1e3", "99999999T"]) assert.equal(parseSize(text), undefined, text);
  assert.equal(formatSize(64 * 2 ** 20), "64MiB");
});

async function loadPrimary(text: string) {
  return withFile(text, async (path) => (await loadPrimaryConfig({ config: path }, {})).config);
}

function leafPaths(value: object, prefix = ""): string[] {
  return Object.entries(value).flatMap(([key, inner]) => {
    const isGroup = typeof inner === "object" && !Array.isArray(inner) && Object.keys(inner).length > 0;
    return isGroup ? leafPaths(inner, `${prefix}${key}.`) : [`${prefix}${key}`];
  });
}
