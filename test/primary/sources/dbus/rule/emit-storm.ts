// A service of its own process that owns a name and, once told to by a line on its standard input, sends a burst of
// signals as fast as it can: `node emit-storm.js ADDRESS NAME PATH COUNT ELEMENTS`. It leaves when its input ends.
import { once } from "node:events";
import { BusConnection } from "../../../../../shared/dbus/bus-connection.js";

const [address, name, path, count, elements] = process.argv.slice(2) as [string, string, string, string, string];

const connection = await BusConnection.connect({ address });
await connection.requestName(name);
process.stdout.write("ready\n");
await once(process.stdin, "data");
for (let signal = 0; signal < Number(count); signal += 1) {
  connection.emit(path, name, "Happened", "st", [`thing:${signal % Number(elements)}`, BigInt(signal)]);
}
await once(process.stdin, "end");
connection.close();
