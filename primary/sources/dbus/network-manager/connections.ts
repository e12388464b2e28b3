// The connection profiles that NetworkManager has, by object path, and which of them are active. An active connection is
// an object of its own that comes and goes; the profile that it is made from is the element.
import PQueue from "p-queue";
import type { ElementState } from "../../watch/element-change.js";
import type { BusPeer } from "../bus-service.js";
import { nameNetworkChange } from "./name-change.js";
import { ACTIVE, liveObjects, type NetworkObjects, type Properties } from "./objects.js";
import { CONNECTION_TYPE, readProfile } from "./profile.js";
import { ACTIVATED, activeReason, DEACTIVATED } from "./words.js";

interface Profile {
  /** Undefined until it has been read. */
  elementId: string | undefined;
}

interface Active {
  /** Object path of the profile; undefined until the active connection has been read. */
  profile: string | undefined;
  isActive: boolean;
  /** It has been in the manager's list: once it is not any more, it is over. */
  isListed: boolean;
  /** Changes that were signalled before it was read. */
  unread: { isActive: boolean; reason: string | undefined }[];
}

/** Questions at a time while all profiles are read. */
const READ_AT_A_TIME = 8;
/** Changes of one active connection that wait until it has been read. There are two in its life. */
const MAX_UNREAD = 4;

export class NetworkConnections {
  #profiles = new Map<string, Profile>();
  #actives = new Map<string, Active>();
  /** `ActiveConnections` as last heard. */
  #listed: ReadonlySet<string> = new Set();

  /** Reads all of them anew; what was known is forgotten. */
  async snapshot(
    profilePaths: readonly string[],
    activePaths: readonly string[],
    objects: NetworkObjects,
    peer: BusPeer,
  ): Promise<ElementState[]> {
    const actives = new Map<string, Active>();
    for (const path of activePaths) {
      const read = await objects.read(path, ACTIVE);
      if (read) actives.set(path, asActive(read));
    }
    const profiles = new Map<string, Profile>();
    const elements: ElementState[] = [];
    const queue = new PQueue({ concurrency: READ_AT_A_TIME });
    await queue.addAll(
      profilePaths.map((path) => async () => {
        const element = await readProfile(path, isActive(path, actives), objects, peer);
        if (!element) return;
        profiles.set(path, { elementId: element.elementId });
        elements.push(element);
      }),
    );
    this.#actives = actives;
    this.#listed = new Set(activePaths);
    this.#profiles = profiles;
    return elements;
  }

  added(path: string, peer: BusPeer): void {
    if (!this.#profiles.has(path)) this.#profiles.set(path, { elementId: undefined });
    this.touched(path, peer);
  }

  removed(path: string, { writer }: BusPeer): void {
    const elementId = this.#profiles.get(path)?.elementId;
    this.#profiles.delete(path);
    if (elementId === undefined) return;
    writer.writeIfChanged({ elementId, elementType: CONNECTION_TYPE, state: {}, action: "removed" });
  }

  /** Looks at the profile again, soon. */
  touched(path: string, peer: BusPeer): void {
    const profile = this.#profiles.get(path);
    if (profile) peer.soon(`profile:${path}`, () => this.#look(path, profile, peer));
  }

  /** `ActiveConnections` of the manager: the paths that there are now. */
  listed(paths: readonly string[], peer: BusPeer): void {
    for (const path of paths) if (!this.#actives.has(path)) this.#lookAtActive(path, this.#newActive(path), peer);
    for (const path of paths) (this.#actives.get(path) as Active).isListed = true;
    this.#listed = new Set(paths);
    // Its last signal, with the reason, comes after it has left the list.
    if (this.#unlisted().length > 0) peer.soon("actives", () => this.#forgetUnlisted(peer));
  }

  /** `Connection.Active.StateChanged`: where to, and why. */
  activeChanged(path: string, [to, reason]: readonly unknown[], peer: BusPeer): void {
    if (to !== ACTIVATED && to !== DEACTIVATED) return;
    const change = { isActive: to === ACTIVATED, reason: activeReason(reason) };
    const known = this.#actives.get(path);
    const active = known ?? this.#newActive(path);
    if (active.profile !== undefined) this.#writeActive(active, change, peer);
    else if (active.unread.length < MAX_UNREAD) active.unread.push(change);
    if (!known) this.#lookAtActive(path, active, peer);
  }

  async #look(path: string, profile: Profile, peer: BusPeer): Promise<void> {
    const element = await readProfile(path, isActive(path, this.#actives), liveObjects(peer), peer);
    if (!element || this.#profiles.get(path) !== profile) return;
    profile.elementId = element.elementId;
    // It may have changed while the answer was on its way.
    element.state.active = isActive(path, this.#actives);
    const before = peer.writer.last(element.elementId) ?? {};
    peer.writer.writeIfChanged({ ...element, action: nameNetworkChange(before, element.state, CONNECTION_TYPE) });
  }

  #newActive(path: string): Active {
    const active: Active = { profile: undefined, isActive: false, isListed: false, unread: [] };
    this.#actives.set(path, active);
    return active;
  }

  #lookAtActive(path: string, active: Active, peer: BusPeer): void {
    peer.soon(`active:${path}`, async () => {
      const read = await liveObjects(peer).read(path, ACTIVE);
      const unread = active.unread.splice(0);
      if (!read) {
        this.#neverRead(path, unread.length, peer);
        return;
      }
      const { profile, isActive: isNow } = asActive(read);
      active.profile = profile;
      for (const change of unread) this.#writeActive(active, change, peer);
      if (active.isActive !== isNow) this.#writeActive(active, { isActive: isNow, reason: undefined }, peer);
    });
  }

  /** It came and went faster than it could be asked what it was. */
  #neverRead(path: string, changes: number, { writer }: BusPeer): void {
    this.#actives.delete(path);
    if (changes > 0) writer.lost("active_connection_gone_before_it_was_read", changes);
  }

  #unlisted(): [string, Active][] {
    return [...this.#actives].filter(([path, { isListed }]) => isListed && !this.#listed.has(path));
  }

  /** By the list of now: the one that brought us here may be old. */
  #forgetUnlisted(peer: BusPeer): void {
    for (const [path, active] of this.#unlisted()) {
      this.#actives.delete(path);
      if (active.isActive) this.#writeActive(active, { isActive: false, reason: undefined }, peer);
    }
  }

  #writeActive(active: Active, change: { isActive: boolean; reason: string | undefined }, peer: BusPeer): void {
    active.isActive = change.isActive;
    const path = active.profile as string;
    const elementId = this.#profiles.get(path)?.elementId;
    const before = (elementId === undefined ? undefined : peer.writer.last(elementId)) ?? {};
    if (elementId === undefined || Object.keys(before).length === 0) {
      // Not read yet: what is read then says whether it is active.
      this.touched(path, peer);
      return;
    }
    const state = { ...before, active: isActive(path, this.#actives) };
    const action = nameNetworkChange(before, state, CONNECTION_TYPE);
    peer.writer.writeIfChanged({ elementId, elementType: CONNECTION_TYPE, state, action, reason: change.reason });
  }
}

function asActive({ Connection, State }: Properties): Active {
  return { profile: String(Connection), isActive: State === ACTIVATED, isListed: true, unread: [] };
}

/** One profile may be active several times. */
function isActive(profile: string, actives: ReadonlyMap<string, Active>): boolean {
  for (const active of actives.values()) if (active.isActive && active.profile === profile) return true;
  return false;
}
