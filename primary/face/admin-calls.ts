// What an operator may ask of the primary over the bus. Root only: by the bus's policy, and checked here again.
import type { VerifyRunner } from "../../shared/dbus/run-verify.js";
import type { ServedInterface } from "../../shared/dbus/served-object.js";

export interface AdminCallsParts {
  seal(force: boolean): Promise<unknown>;
  /** Asked for when it is needed: orders are made after the face. */
  orders(): AdminOrders;
  fills(): AdminFills;
  verify: VerifyRunner;
}

/** Each @throws ControlError `unknown-replica`, `paused` */
export interface AdminOrders {
  resync(request: { replica: string; full: boolean; dryRun: boolean }): Promise<unknown>;
  pause(request: { replica: string; reason: string; dryRun: boolean }): Promise<unknown>;
  resume(request: { replica: string; dryRun: boolean }): Promise<unknown>;
  drain(
    request: { replica: string; dryRun: boolean },
    follower: { signal: AbortSignal; tell(progress: unknown): void },
  ): Promise<unknown>;
}

/** @throws ControlError, as the command line is refused */
export interface AdminFills {
  reembed(request: { space: string; dryRun: boolean }): Promise<unknown>;
}

export function adminInterface({ seal, orders, fills, verify }: AdminCallsParts): ServedInterface {
  return {
    name: "dev.isochron.Primary1.Admin",
    xml: ADMIN_XML,
    methods: {
      Seal: {
        ...{ takes: "b", gives: "s", adminOnly: true },
        answer: async ([force]) => [JSON.stringify(await seal(force as boolean))],
      },
      Push: {
        ...{ takes: "s", gives: "", adminOnly: true },
        answer: async ([replica]) => {
          await orders().resync({ replica: replica as string, full: false, dryRun: false });
          return [];
        },
      },
      Resync: {
        ...{ takes: "sbb", gives: "s", adminOnly: true },
        answer: async ([replica, full, dryRun]) => {
          const request = { replica: replica as string, full: full as boolean, dryRun: dryRun as boolean };
          return [JSON.stringify(await orders().resync(request))];
        },
      },
      Pause: {
        ...{ takes: "ssb", gives: "s", adminOnly: true },
        answer: async ([replica, reason, dryRun]) => {
          const why = (reason as string).slice(0, 200) || "paused over D-Bus";
          const request = { replica: replica as string, reason: why, dryRun: dryRun as boolean };
          return [JSON.stringify(await orders().pause(request))];
        },
      },
      Resume: {
        ...{ takes: "sb", gives: "s", adminOnly: true },
        answer: async ([replica, dryRun]) => {
          const request = { replica: replica as string, dryRun: dryRun as boolean };
          return [JSON.stringify(await orders().resume(request))];
        },
      },
      Drain: {
        ...{ takes: "sb", gives: "s", adminOnly: true },
        answer: async ([replica, dryRun], { signal }) => {
          const request = { replica: replica as string, dryRun: dryRun as boolean };
          return [JSON.stringify(await orders().drain(request, { signal, tell: () => undefined }))];
        },
      },
      Reembed: {
        ...{ takes: "sb", gives: "s", adminOnly: true },
        answer: async ([space, dryRun]) => {
          const request = { space: space as string, dryRun: dryRun as boolean };
          return [JSON.stringify(await fills().reembed(request))];
        },
      },
      Verify: {
        ...{ takes: "", gives: "s", adminOnly: true },
        answer: async (_, { signal }) => [await verify.run(undefined, signal)],
      },
    },
    properties: {},
    signals: {},
  };
}

const DOC = "org.gtk.GDBus.DocString";

const ADMIN_XML = `
<interface name="dev.isochron.Primary1.Admin">
  <annotation name="${DOC}" value="For root only."/>
  <method name="Seal">
    <annotation name="${DOC}" value="Seals a generation now; with force, also when nothing is new."/>
    <arg name="force" type="b" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="Push">
    <annotation name="${DOC}" value="Has the link to a replica look now whether there is something to push."/>
    <arg name="replica" type="s" direction="in"/>
  </method>
  <method name="Resync">
    <annotation name="${DOC}" value="Pushes to a replica now; with full, all of it; with dry_run, only says what would be sent and why."/>
    <arg name="replica" type="s" direction="in"/>
    <arg name="full" type="b" direction="in"/>
    <arg name="dry_run" type="b" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="Pause">
    <annotation name="${DOC}" value="Pushes nothing to a replica until Resume, restarts included; ends a push under way."/>
    <arg name="replica" type="s" direction="in"/>
    <arg name="reason" type="s" direction="in"/>
    <arg name="dry_run" type="b" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="Resume">
    <annotation name="${DOC}" value="Pushes to a replica again."/>
    <arg name="replica" type="s" direction="in"/>
    <arg name="dry_run" type="b" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="Drain">
    <annotation name="${DOC}" value="Brings a replica up to this moment, then pauses it. Answers when that is done: set the call's time limit accordingly. It goes on when the caller leaves; Pause ends it."/>
    <arg name="replica" type="s" direction="in"/>
    <arg name="dry_run" type="b" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="Reembed">
    <annotation name="${DOC}" value="Fills a space (a level, or its name) with vectors of all events that lack one, in the background; with dry_run, only says how many, how large, how long."/>
    <arg name="space" type="s" direction="in"/>
    <arg name="dry_run" type="b" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="Verify">
    <annotation name="${DOC}" value="Checks every byte of the newest generation. Takes as long as reading the store does: set the call's time limit accordingly."/>
    <arg name="json" type="s" direction="out"/>
  </method>
</interface>`;
