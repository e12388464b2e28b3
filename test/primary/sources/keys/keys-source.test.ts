import assert from "node:assert/strict";
import { test } from "node:test";
import { KeysSource, type WatchedKeys } from "../../../../primary/sources/keys/keys-source.js";
import { withLedger } from "../../../support/with-ledger.js";

const RUNNING = new AbortController().signal;

class Keys implements WatchedKeys {
  readonly origin = "host1";
  signers: { vkey: string }[] = [];
  #listener: () => void = () => undefined;

  constructor(...vkeys: string[]) {
    this.#set(vkeys);
  }

  onChange(listener: () => void): () => void {
    this.#listener = listener;
    return () => {
      this.#listener = () => undefined;
    };
  }

  become(...vkeys: string[]): void {
    this.#set(vkeys);
    this.#listener();
  }

  #set(vkeys: string[]): void {
    this.signers = vkeys.map((vkey) => ({ vkey }));
  }
}

test("each step of a rotation is an event with the keys that sign from then on, and a key that stays is none", () =>
  withLedger(async (ledger) => {
    const keys = new Keys("a");
    const source = new KeysSource({ ...ledger.parts, keys });
    await source.start(RUNNING);
    keys.become("a", "b");
    keys.become("a");
    keys.become("a", "c");
    keys.become("c");
    await source.stop();
    const seen = ledger.events("keys");
    assert.deepEqual(
      seen.map(({ action, state }) => [action, state.signed_by]),
      [
        ["key_prepared", ["a", "b"]],
        ["key_taken_back", ["a"]],
        ["key_prepared", ["a", "c"]],
        ["key_rotated", ["c"]],
      ],
    );
    assert.deepEqual([...new Set(seen.map(({ element, priority }) => `${element} ${priority}`))], ["key:host1 high"]);
  }));

test("a step whose event a crash has swallowed is told at the next start, once", () =>
  withLedger(async (ledger) => {
    const keys = new Keys("a", "b");
    const run = async () => {
      const source = new KeysSource({ ...ledger.parts, keys });
      await source.start(RUNNING);
      await source.stop();
      await ledger.restart();
    };
    await run();
    await run();
    keys.become("b");
    await run();
    await run();
    assert.deepEqual(
      ledger.events("keys").map(({ action }) => action),
      ["key_prepared", "key_rotated"],
    );
  }));
