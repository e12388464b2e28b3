// `verify --json` of the store under a root that need not be mounted, by a key, in a process of its own.
import { reportError } from "../../../shared/cli/report-error.js";
import { verifyStore } from "../../../shared/cli/verify-store.js";
import { parseVkey } from "../../../shared/format/signed-note.js";

const [root = "", vkey = ""] = process.argv.slice(2);
const args = { store: undefined, dir: undefined, generation: undefined, key: [], element: undefined, json: true };
const open = async () => ({ root, keys: [parseVkey(vkey)], retired: [] });

await verifyStore({ open }, { ...args, "max-age": undefined }).catch(reportError);
