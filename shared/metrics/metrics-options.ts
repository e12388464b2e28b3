// The option group `metrics`, the same for both daemons.
import { z } from "zod";
import { listenAddress } from "../config/listen-address.js";

export const metricsOptions = () =>
  z
    .strictObject({
      listen: listenAddress()
        .optional()
        .describe(
          "Serve metrics over HTTP on host:port too, such as `127.0.0.1:9469`. Neither secret nor authenticated: names of replicas and sources are in them.",
        ),
    })
    .prefault({});
