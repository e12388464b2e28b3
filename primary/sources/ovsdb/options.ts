// Options of the Open vSwitch source.
import { z } from "zod";
import { OvsdbError } from "./ovsdb-error.js";
import { parseOvsdbAddress } from "./parse-address.js";

export const ovsdbOptions = z.strictObject({
  enabled: z
    .boolean("must be true or false")
    .default(true)
    .describe("Record bridges, ports and interfaces of Open vSwitch. Where there is none it waits for the socket."),
  socket: z
    .string("must be a path, unix:PATH or tcp:HOST:PORT")
    .superRefine(checkAddress)
    .default("/run/openvswitch/db.sock")
    .describe(
      "Where ovsdb-server listens: a path, `unix:PATH` or `tcp:HOST:PORT`. TCP is neither secret nor authenticated.",
    ),
  ignore_keys: z
    .array(z.string().min(1))
    .default([])
    .describe(
      "Keys of `external_ids`, `other_config` and other maps that are not recorded, since they change all the time.",
    ),
});

export type OvsdbOptions = z.output<typeof ovsdbOptions>;

function checkAddress(socket: string, context: z.RefinementCtx): void {
  try {
    parseOvsdbAddress(socket);
  } catch (error) {
    if (!(error instanceof OvsdbError)) throw error;
    context.addIssue({ code: "custom", input: socket, message: `${error.message}; ${error.hint}` });
  }
}
