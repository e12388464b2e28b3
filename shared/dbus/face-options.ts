// The option group `dbus` of both daemons, and where the system bus is.
import { z } from "zod";

export function dbusOptions(portAgentByDefault: boolean) {
  return z
    .strictObject({
      enabled: z
        .boolean("must be true or false")
        .default(true)
        .describe("Serve this daemon on D-Bus. It runs without a bus too, and comes back when there is one."),
      address: z
        .string("must be a D-Bus address such as unix:path=/run/dbus/system_bus_socket")
        .min(1, "must be a D-Bus address such as unix:path=/run/dbus/system_bus_socket")
        .optional()
        .describe("Address of the bus; default the system bus. On another one, its own policy decides who may call."),
      port_agent: z
        .boolean("must be true or false")
        .default(portAgentByDefault)
        .describe("Answer as dev.ovs.PortAgent1 too. Only one daemon on a bus can have that name."),
    })
    .prefault({});
}

export type DbusOptions = z.output<ReturnType<typeof dbusOptions>>;

const SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket";

/** The system bus, as libdbus finds it: the first address that the environment names, else the usual one. */
export function systemBusAddress(env: NodeJS.ProcessEnv = process.env): string {
  return env.DBUS_SYSTEM_BUS_ADDRESS?.split(";")[0] || SYSTEM_BUS;
}
