// dbus-next tries its native socket first and takes Node's own when that cannot be loaded.
throw new Error("usocket is left out: Node's own sockets serve");
