import assert from "node:assert/strict";
import { test } from "node:test";
import Fastify from "fastify";
import { listenOnInherited, takeInheritedSocket } from "../../../shared/http/inherited-socket.js";

test("a socket is taken only by the process that it is meant for, and from no child's environment", () => {
  const mine = { LISTEN_PID: "77", LISTEN_FDS: "1", LISTEN_FDNAMES: "query.sock", HOME: "/" };
  assert.deepEqual(takeInheritedSocket(mine, 77), { fd: 3 });
  assert.deepEqual(mine, { HOME: "/" });
  assert.equal(takeInheritedSocket({ LISTEN_PID: "78", LISTEN_FDS: "1" }, 77), undefined);
  assert.equal(takeInheritedSocket({}, 77), undefined);
});

test("several sockets are refused, and what is no listening socket, with the way out", async () => {
  assert.throws(() => takeInheritedSocket({ LISTEN_PID: "77", LISTEN_FDS: "2" }, 77), {
    code: "invalid",
    hint: /one ListenStream=/,
  });
  await assert.rejects(listenOnInherited(Fastify(), { fd: 900 }), { code: "invalid", hint: /ListenStream=/ });
});
