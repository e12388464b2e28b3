// What an operator may ask of the replica over the bus. Root only: by the bus's policy, and checked here again.
import type { VerifyRunner } from "../../shared/dbus/run-verify.js";
import type { ServedInterface } from "../../shared/dbus/served-object.js";

export interface AdminCallsParts {
  /** @throws ReceiveError `foreign-store` */
  want(store: string | undefined, what: "push" | "full"): string[];
  verify: VerifyRunner;
}

export function adminInterface({ want, verify }: AdminCallsParts): ServedInterface {
  return {
    name: "dev.isochron.Replica1.Admin",
    xml: ADMIN_XML,
    methods: {
      Resync: {
        ...{ takes: "sb", gives: "s", adminOnly: true },
        answer: ([store, full]) => [JSON.stringify({ asked: want(named(store), full ? "full" : "push") })],
      },
      Verify: {
        ...{ takes: "s", gives: "s", adminOnly: true },
        answer: async ([store], { signal }) => [await verify.run(named(store), signal)],
      },
    },
    properties: {},
    signals: {},
  };
}

/** An empty text names no store: all of them, or the only one. */
function named(store: unknown): string | undefined {
  return store === "" ? undefined : (store as string);
}

const DOC = "org.gtk.GDBus.DocString";

const ADMIN_XML = `
<interface name="dev.isochron.Replica1.Admin">
  <annotation name="${DOC}" value="For root only."/>
  <method name="Resync">
    <annotation name="${DOC}" value="Asks the primary for a push at its next hello; with full, for all of the store. An empty text means all stores."/>
    <arg name="store" type="s" direction="in"/>
    <arg name="full" type="b" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="Verify">
    <annotation name="${DOC}" value="Checks every byte of a store's current generation. An empty text means the only store. Takes as long as reading it does."/>
    <arg name="store" type="s" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
</interface>`;
