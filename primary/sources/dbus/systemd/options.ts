// Options of the systemd source: which units are recorded.
import { z } from "zod";

const glob = z.string("must be a glob such as *.service").min(1, "must not be empty");

export const systemdOptions = z.strictObject({
  enabled: z
    .boolean("must be true or false")
    .default(true)
    .describe("Record the units of systemd. Where there is none it waits for it."),
  units: z
    .array(glob)
    .min(1, "name at least one glob, or set enabled: false")
    .default(["*.service", "*.socket", "*.timer", "*.path", "*.mount", "*.swap"])
    .describe("Globs of the units to record. `*.device` and `*.scope` come and go all the time."),
  ignore: z
    .array(glob)
    .default([
      // Made by `systemd-run`, and mounts below /run: credentials, namespaces of containers, logged-in users.
      "run-*.service",
      "run-*.mount",
      // A layer of every container and pod.
      "var-lib-docker-*.mount",
      "var-lib-containers-*.mount",
      "var-lib-containerd-*.mount",
      "var-lib-kubelet-*.mount",
      // Logging in and out, which login1 tells.
      "user@*.service",
      "user-runtime-dir@*.service",
    ])
    .describe("Globs of units not to record in spite of `units`. A list here replaces the default one."),
});

export type SystemdOptions = z.output<typeof systemdOptions>;
