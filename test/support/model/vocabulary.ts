// The words that made models know. Words of one line mean the same to them, all others mean nothing to each other: so a
// test can ask in other words than the event's. Any other word is read by its letters.

export const SYNONYMS: readonly (readonly string[])[] = [
  ["lost", "gone", "dropped", "vanished", "missing", "disappeared"],
  ["carrier", "link", "cable", "connection", "uplink"],
  ["interface", "adapter", "nic", "card", "eth", "ethernet"],
  ["network", "net", "lan"],
  ["bridge", "switch", "ovs"],
  ["port", "socket"],
  ["address", "ip", "inet"],
  ["route", "gateway", "path"],
  ["firewall", "filter", "firewalld", "netfilter"],
  ["password", "passphrase", "credential", "credentials"],
  ["login", "logon", "session", "authentication", "sign"],
  ["refused", "rejected", "denied", "invalid", "wrong", "incorrect", "illegal"],
  ["failed", "failure", "broken", "crashed", "error", "fault"],
  ["attacker", "intruder", "burglar", "attack", "intrusion", "hacker"],
  ["user", "account", "person", "someone", "somebody"],
  ["administrator", "root", "superuser", "admin"],
  ["started", "began", "launched", "booted", "activated", "start"],
  ["stopped", "ended", "halted", "terminated", "deactivated", "stop", "exited"],
  ["machine", "vm", "guest", "container", "instance"],
  ["service", "unit", "daemon", "systemd"],
  ["disk", "drive", "volume", "storage", "filesystem"],
  ["full", "exhausted", "overflowing"],
  ["memory", "ram", "swap"],
  ["package", "software", "program", "dpkg"],
  ["upgraded", "updated", "upgrade", "update"],
  ["removed", "deleted", "erased", "uninstalled", "delete"],
  ["created", "added", "made", "new", "installed", "create"],
  ["changed", "modified", "altered", "edited", "change"],
  ["configuration", "config", "settings", "conf"],
  ["file", "document"],
  ["key", "certificate", "secret"],
  ["time", "clock", "ntp"],
  ["slow", "late", "delayed", "timeout"],
  ["host", "server", "node"],
  ["logged", "noted", "recorded"],
  ["power", "electricity", "battery"],
  ["temperature", "heat", "hot"],
];

/** So frequent that they hardly count, as in trained models. */
export const FILLERS: readonly string[] =
  "a an and are as at be been by for from had has have in is it its not of on or s t that the their this to was were what when which who with state action type element name value message id".split(
    " ",
  );

const LETTERS = [..."abcdefghijklmnopqrstuvwxyz0123456789"];
const SIGNS = [..."!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"];

/** In the order that the first five have in tokenizers of this kind; a `##` word goes on the word before it. */
export function listTokens(special: readonly string[]): string[] {
  const words = [...SYNONYMS.flat(), ...FILLERS, ...LETTERS];
  const whole = [...new Set([...words, ...SIGNS])];
  return [...special, ...whole, ...new Set(words.map((word) => `##${word}`))];
}
