// The yardstick of calls: the barest dbus-next service, one method that returns its argument. A process of its own, as the
// daemon is. `node echo-service.js ADDRESS`; prints a line when it answers.
import dbus from "dbus-next";
import { ECHO_NAME, ECHO_PATH } from "./bench-names.js";

class Echo extends dbus.interface.Interface {
  Echo(text: string): string {
    return text;
  }
}
Echo.configureMembers({ methods: { Echo: { inSignature: "s", outSignature: "s" } } });

const bus = dbus.sessionBus({ busAddress: process.argv[2] as string });
bus.export(ECHO_PATH, new Echo(ECHO_NAME));
await bus.requestName(ECHO_NAME, 0);
process.stdout.write("ready\n");
