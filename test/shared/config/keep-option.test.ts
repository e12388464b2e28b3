import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import { keepOption } from "../../../shared/config/keep-option.js";

const schema = z.strictObject({ keep: keepOption() });

describe("keep", () => {
  const good: [value: unknown, rule: [number, number, number, number]][] = [
    [undefined, [1, 0, 0, 0]],
    ["hourly 24, daily 7", [1, 24, 7, 0]],
    ["last 3", [3, 0, 0, 0]],
    [" weekly 4 ,last 2,  hourly 0 ", [2, 0, 0, 4]],
    [{ last: 5 }, [5, 0, 0, 0]],
    [{ hourly: 24, daily: 7, weekly: 8 }, [1, 24, 7, 8]],
    [{}, [1, 0, 0, 0]],
  ];
  for (const [value, [last, hourly, daily, weekly]] of good) {
    test(`${JSON.stringify(value)} is understood`, () => {
      assert.deepEqual(schema.parse({ keep: value }).keep, { last, hourly, daily, weekly });
    });
  }

  const refused: [value: unknown, path: string, message: RegExp][] = [
    ["24 hourly", "keep", /such as `hourly 24, daily 7`.*"24 hourly" is none/],
    ["", "keep", /"" is none/],
    ["hourly", "keep", /"hourly" is none/],
    ["hourly 3, hourly 4", "keep", /names hourly twice/],
    ["monthly 3", "keep", /monthly: is none of last, hourly, daily, weekly/],
    ["constructor 3", "keep", /constructor: is none of/],
    ["last 0", "keep", /last: must be a whole number from 1 to 1000/],
    [{ hourly: -1 }, "keep.hourly", /whole number from 0 to 1000/],
    [{ hourly: "24" }, "keep.hourly", /whole number/],
    [{ daily: 1001 }, "keep.daily", /whole number from 0 to 1000/],
    [{ yearly: 1 }, "keep.yearly", /is none of last, hourly, daily, weekly/],
    [7, "keep", /must be words with numbers/],
  ];
  for (const [value, path, message] of refused) {
    test(`${JSON.stringify(value)} is refused, with what it may be`, () => {
      const { error } = schema.safeParse({ keep: value });
      assert.equal(error?.issues.length, 1);
      assert.equal(error.issues[0]?.path.join("."), path);
      assert.match(error.issues[0]?.message ?? "", message);
    });
  }
});
