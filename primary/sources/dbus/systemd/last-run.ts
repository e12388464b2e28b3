// What systemd says of a unit's last run: it comes in a signal of its own, right before the one with the unit's new state.
import { constants } from "node:os";
import type { JsonObject } from "../../watch/element-change.js";

export interface LastRun {
  /** `success`, `exit-code`, `signal`, `timeout`, …; undefined for units that have none. */
  result: string | undefined;
  /** Of the last reload of a service. */
  reloadResult: string | undefined;
  /** How it failed, in words. */
  reason: string | undefined;
}

/** From the properties of a `Service`, `Mount`, … that changed. */
export function lastRunOf({ Result, ReloadResult, ExecMainCode, ExecMainStatus }: JsonObject): LastRun {
  const result = typeof Result === "string" ? Result : undefined;
  const reloadResult = typeof ReloadResult === "string" ? ReloadResult : undefined;
  const end = endOfProcess(ExecMainCode, ExecMainStatus);
  const reason = [result, end].filter((part) => part !== undefined).join(": ");
  return { result, reloadResult, reason: isFailure(result) ? reason : undefined };
}

export function isFailure(result: string | undefined): boolean {
  return result !== undefined && result !== "success";
}

/** Codes of waitid(2): 1 is exited, 2 killed, 3 dumped. */
function endOfProcess(code: unknown, status: unknown): string | undefined {
  if (code === 1 && status !== 0) return `the main process exited with status ${String(status)}`;
  if (code === 2 || code === 3) return `the main process was ended by ${signalName(Number(status))}`;
  return undefined;
}

function signalName(number: number): string {
  const known = Object.entries(constants.signals).find(([, value]) => value === number);
  return known?.[0] ?? `signal ${number}`;
}
