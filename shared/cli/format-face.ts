// The line of `status` that says how a daemon stands on D-Bus.
import type { FaceState } from "../dbus/keep-face.js";
import { visible } from "./visible.js";

export function formatFace(face: FaceState | null): string {
  if (face === null) return "dbus      turned off";
  const names = face.names.length > 0 ? `serves ${face.names.join(", ")}` : "no name is owned";
  return visible(`dbus      ${face.problem === null ? names : `${names}; ${face.problem}`}`);
}
