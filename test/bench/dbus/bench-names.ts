// Names that the D-Bus bench and its helper processes share.

export const NAME = "org.freedesktop.systemd1";
export const MANAGER_PATH = "/org/freedesktop/systemd1";
export const MANAGER = "org.freedesktop.systemd1.Manager";
export const UNIT = "org.freedesktop.systemd1.Unit";
export const SERVICE = "org.freedesktop.systemd1.Service";
export const PROPERTIES = "org.freedesktop.DBus.Properties";

export const STORM_NAME = "dev.isochron.Storm1";
export const STORM_PATH = "/dev/isochron/Storm1";

export const ECHO_NAME = "dev.isochron.Echo1";
export const ECHO_PATH = "/dev/isochron/Echo1";

/** Units that the emitter has, each of which is restarted in turn. */
export const UNITS = 200;
/** Signals of one restart of a service, as measured on systemd 252: three of them change the unit's state. */
export const SIGNALS_OF_A_RESTART = 18;
export const EVENTS_OF_A_RESTART = 3;
