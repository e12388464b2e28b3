// The option group `sources.dbus`: which services on the system bus are watched.
import { z } from "zod";
import { wholeNumber } from "../../../shared/config/option-types.js";
import { firewalldOptions } from "./firewalld/options.js";
import { login1Options } from "./login1/options.js";
import { machine1Options } from "./machine1/options.js";
import { busRuleOptions } from "./rule/options.js";
import { systemdOptions } from "./systemd/options.js";

const networkManagerOptions = z.strictObject({
  enabled: z
    .boolean("must be true or false")
    .default(true)
    .describe("Record devices, connection profiles and the network's state, from NetworkManager."),
});

export const dbusSourcesOptions = z.strictObject({
  enabled: z
    .boolean("must be true or false")
    .default(true)
    .describe("Watch services on the bus of `dbus.address`. Each one that is not there is waited for."),
  coalesce_ms: wholeNumber(1, 10_000)
    .default(150)
    .describe("How long signals about one thing are gathered before it is looked at, ms."),
  systemd: systemdOptions.prefault({}),
  network_manager: networkManagerOptions.prefault({}),
  machine1: machine1Options.prefault({}),
  login1: login1Options.prefault({}),
  firewalld: firewalldOptions.prefault({}),
  rules: busRuleOptions,
});
