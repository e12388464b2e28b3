// NetworkManager's numbers in words, from its documented D-Bus types
// (https://networkmanager.dev/docs/api/latest/nm-dbus-types.html), in the spelling of its own enumeration names. A number
// that a newer NetworkManager sends is kept as a number, never guessed.

type Words = Readonly<Record<number, string>>;

/** NMState: the network as a whole. */
const NETWORK_STATES: Words = {
  0: "unknown",
  10: "asleep",
  20: "disconnected",
  30: "disconnecting",
  40: "connecting",
  50: "connected-local",
  60: "connected-site",
  70: "connected-global",
};

/** NMConnectivityState. */
const CONNECTIVITIES: Words = { 0: "unknown", 1: "none", 2: "portal", 3: "limited", 4: "full" };

/** NMDeviceState, with one word for the steps on the way to a connection. */
const DEVICE_STATES: Words = {
  0: "unknown",
  10: "unmanaged",
  20: "unavailable",
  30: "disconnected",
  40: "connecting",
  50: "connecting",
  60: "connecting",
  70: "connecting",
  80: "connecting",
  90: "connecting",
  100: "connected",
  110: "deactivating",
  120: "failed",
};

/** NMDeviceType. */
const DEVICE_TYPES: Words = {
  0: "unknown",
  1: "ethernet",
  2: "wifi",
  5: "bluetooth",
  6: "olpc-mesh",
  7: "wimax",
  8: "modem",
  9: "infiniband",
  10: "bond",
  11: "vlan",
  12: "adsl",
  13: "bridge",
  14: "generic",
  15: "team",
  16: "tun",
  17: "ip-tunnel",
  18: "macvlan",
  19: "vxlan",
  20: "veth",
  21: "macsec",
  22: "dummy",
  23: "ppp",
  24: "ovs-interface",
  25: "ovs-port",
  26: "ovs-bridge",
  27: "wpan",
  28: "6lowpan",
  29: "wireguard",
  30: "wifi-p2p",
  31: "vrf",
  32: "loopback",
  33: "hsr",
  34: "ipvlan",
};

/** NMDeviceStateReason, in order from 0. */
const DEVICE_REASONS =
  `none unknown now-managed now-unmanaged config-failed ip-config-unavailable ip-config-expired no-secrets
  supplicant-disconnect supplicant-config-failed supplicant-failed supplicant-timeout ppp-start-failed ppp-disconnect
  ppp-failed dhcp-start-failed dhcp-error dhcp-failed shared-start-failed shared-failed autoip-start-failed autoip-error
  autoip-failed modem-busy modem-no-dial-tone modem-no-carrier modem-dial-timeout modem-dial-failed modem-init-failed
  gsm-apn-failed gsm-registration-not-searching gsm-registration-denied gsm-registration-timeout gsm-registration-failed
  gsm-pin-check-failed firmware-missing removed sleeping connection-removed user-requested carrier connection-assumed
  supplicant-available modem-not-found bt-failed gsm-sim-not-inserted gsm-sim-pin-required gsm-sim-puk-required
  gsm-sim-wrong infiniband-mode dependency-failed br2684-failed modem-manager-unavailable ssid-not-found
  secondary-connection-failed dcb-fcoe-failed teamd-control-failed modem-failed modem-available sim-pin-incorrect
  new-activation parent-changed parent-managed-changed ovsdb-failed ip-address-duplicate ip-method-unsupported
  sriov-configuration-failed peer-not-found device-handler-failed unmanaged-by-default unmanaged-external-down
  unmanaged-link-not-init unmanaged-quitting unmanaged-sleeping unmanaged-user-conf unmanaged-user-explicit
  unmanaged-user-settings unmanaged-user-udev`.split(/\s+/);

/** NMActiveConnectionStateReason, in order from 0. */
const ACTIVE_REASONS =
  `unknown none user-disconnected device-disconnected service-stopped ip-config-invalid connect-timeout
  service-start-timeout service-start-failed no-secrets login-failed connection-removed dependency-failed
  device-realize-failed device-removed`.split(/\s+/);

/** NMActiveConnectionState. */
export const ACTIVATED = 2;
export const DEACTIVATED = 4;

export const networkState = (code: unknown) => inWords(NETWORK_STATES, code);
export const connectivity = (code: unknown) => inWords(CONNECTIVITIES, code);
export const deviceState = (code: unknown) => inWords(DEVICE_STATES, code);
export const deviceType = (code: unknown) => inWords(DEVICE_TYPES, code);
/** Undefined where NetworkManager gives none. */
export const deviceReason = (code: unknown) => unlessNone(inWords(DEVICE_REASONS, code));
export const activeReason = (code: unknown) => unlessNone(inWords(ACTIVE_REASONS, code));

/** States that a device or the network goes through and does not stay in. */
export function isPassing(state: string): boolean {
  return state === "connecting" || state === "deactivating" || state === "disconnecting";
}

function unlessNone(reason: string): string | undefined {
  return reason === "none" || reason === "unknown" ? undefined : reason;
}

function inWords(words: Words | readonly string[], code: unknown): string {
  return words[code as number] ?? (code === undefined ? "unknown" : String(code));
}
