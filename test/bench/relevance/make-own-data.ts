// A small data set for machines that have no other: messages of a host's services made from templates of our own, with
// questions that share few words with them. The same each time.
import type { QuestionSet } from "./find-data-sets.js";

const EACH = 12;

/** Element, type, action, and the message: `#` becomes a number, `@` an address. */
const TEMPLATES: Record<string, [string, string, string, string]> = {
  carrier: ["interface:eth#", "NetworkInterface", "modified", "link is down: no carrier on port #"],
  linked: ["interface:eth#", "NetworkInterface", "modified", "link is up at # Mbit/s, full duplex"],
  lease: ["interface:eth#", "NetworkInterface", "modified", "lease renewed: address @ for # seconds"],
  full: ["mount:/var", "Mount", "alarm", "no space left on device, # inodes free"],
  resync: ["disk:sda", "Disk", "modified", "array rebuild finished after # minutes"],
  smart: ["disk:sd#", "Disk", "alarm", "# sectors could not be read and were reallocated"],
  oom: ["service:worker", "Service", "killed", "out of memory: killed process # using # kB"],
  crash: ["service:worker", "Service", "failed", "main process exited, code=dumped, signal=SEGV, pid #"],
  restart: ["service:worker", "Service", "started", "scheduled restart job, counter is at #"],
  cert: ["service:proxy", "Service", "logged", "TLS handshake with @ failed: certificate has expired"],
  refused: ["service:proxy", "Service", "logged", "connect() to @ port # failed: connection refused"],
  login: ["service:gate", "Service", "logged", "accepted publickey for operator from @ port #"],
  denied: ["service:gate", "Service", "logged", "failed password for operator from @ port #"],
  clock: ["service:clock", "Service", "logged", "system time stepped by # seconds, source @"],
  kernel: ["package:kernel", "Package", "upgraded", "installed version 6.#.#"],
};

const QUESTIONS: [string, ...string[]][] = [
  ["network cable unplugged", "carrier"],
  ["who signed in successfully", "login"],
  ["wrong password typed", "denied"],
  ["hard drive is wearing out", "smart"],
  ["file system has run out of room", "full"],
  ["program ended because it used too much memory", "oom"],
  ["program crashed", "crash"],
  ["backend could not be reached", "refused"],
  ["encrypted connection rejected because of an outdated certificate", "cert"],
  ["host got its IP address", "lease"],
  ["clock jumped", "clock"],
  ["operating system was updated", "kernel"],
  ["RAID recovery is done", "resync"],
  ["service came back by itself", "restart"],
];

export function makeOwnData(): QuestionSet {
  const labels: string[] = [];
  const events = Array.from({ length: EACH }, (_, round) =>
    Object.entries(TEMPLATES).map(([label, [element_id, element_type, action, message]], i) => {
      labels.push(label);
      const fill = (text: string) => fillIn(text, round * 31 + i * 7);
      const state_snapshot = { message: fill(message) };
      return { element_id: fill(element_id), element_type, action, actor: "host", state_snapshot };
    }),
  ).flat();
  const questions = QUESTIONS.map(([query, ...relevant]) => ({ query, relevant }));
  return { name: "own", events, labels, questions };
}

function fillIn(text: string, number: number): string {
  const parts = text.split(/([#@])/);
  return parts
    .map((part, i) => (part === "#" ? `${(number + 13 * i) % 97}` : part === "@" ? addressOf(number + i) : part))
    .join("");
}

function addressOf(number: number): string {
  return `192.0.2.${(17 * number) % 250}`;
}
