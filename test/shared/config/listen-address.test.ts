import assert from "node:assert/strict";
import { test } from "node:test";
import { listenAddress, parseListenAddress } from "../../../shared/config/listen-address.js";

test("an address is a host or an IPv6 address in brackets, and a port", () => {
  const parsed = (text: string) => {
    const address = parseListenAddress(text);
    return address && [address.host, address.port];
  };
  assert.deepEqual(parsed("127.0.0.1:9469"), ["127.0.0.1", 9469]);
  assert.deepEqual(parsed("[::1]:9469"), ["::1", 9469]);
  assert.deepEqual(parsed("[::]:1"), ["::", 1]);
  assert.deepEqual(parsed("metrics.example.org:65535"), ["metrics.example.org", 65_535]);
});

for (const text of [
  "9469",
  ":9469",
  "127.0.0.1",
  "127.0.0.1:",
  "127.0.0.1:0",
  "127.0.0.1:65536",
  "127.0.0.1:94690000",
  "::1:9469",
  "[127.0.0.1]:9469",
  "[::1]9469",
  "[::1]:9469 ",
  "-x:9469",
  "a b:9469",
  "127.0.0.1:9469/metrics",
]) {
  test(`${JSON.stringify(text)} is refused, with an example of what is right`, () => {
    assert.equal(parseListenAddress(text), undefined);
    const { error } = listenAddress().safeParse(text);
    assert.match(error?.issues[0]?.message ?? "", /must be host:port, such as 127\.0\.0\.1:9469/);
  });
}
