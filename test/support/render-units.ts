// The units of the roles as Ansible makes them: the templates with the roles' own defaults and variables, by ansible-playbook on this
// machine. Nothing is installed.
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { parse, stringify } from "yaml";
import { withFolder } from "./with-folder.js";

/** Text of each unit, by its name. */
export type Units = Record<string, string>;

const ROLES = fileURLToPath(new URL("../../../ansible/roles/", import.meta.url));
const OURS = ["common", "primary", "replica"] as const;
const SIDES = ["primary", "replica"] as const;
/** Debian's own, as on the hosts. */
const PYTHON = "/usr/bin/python3";

/** The units of a host for each of these, which are variables as an inventory has them. @throws with what ansible-playbook said */
export async function renderUnits(inventories: readonly Record<string, unknown>[]): Promise<Units[]> {
  return withFolder(async (folder) => {
    const hosts = Object.fromEntries(inventories.map((variables, i) => [`host${i}`, variables]));
    await writeFile(join(folder, "hosts.yml"), stringify({ all: { hosts } }));
    await writeRole(folder);
    const play = { hosts: "all", gather_facts: false, roles: ["units"], vars: { ansible_python_interpreter: PYTHON } };
    await writeFile(join(folder, "render.yml"), stringify([play]));
    const env = { ANSIBLE_LOCAL_TEMP: folder, ANSIBLE_NOCOLOR: "1", LC_ALL: "C.UTF-8" };
    const args = ["-i", join(folder, "hosts.yml"), "-c", "local", join(folder, "render.yml")];
    const result = await execa("ansible-playbook", args, {
      cwd: folder,
      env,
      all: true,
      reject: false,
      stdin: "ignore",
    });
    if (result.exitCode !== 0) throw new Error(`the templates cannot be rendered:\n${result.all}`);
    return Promise.all(
      inventories.map(async (_, i) => JSON.parse(await readFile(join(folder, `host${i}`), "utf8")) as Units),
    );
  });
}

/** A role of its own, which has the defaults and variables of ours: an inventory wins over the former, as it does there. */
async function writeRole(folder: string): Promise<void> {
  const units = [...(await daemonUnits()), ...(await queryUnits())].map(
    ([name, path, given = "{}"]) => `'${name}': lookup('ansible.builtin.template', '${path}', template_vars=${given})`,
  );
  const tasks = [
    {
      // One task, because each takes a second; the lookup reads a template as the module of that name does.
      "ansible.builtin.copy": {
        content: `{{ {${units.join(", ")}} | to_json }}`,
        dest: join(folder, "{{ inventory_hostname }}"),
        mode: "0644",
      },
    },
  ];
  await writeIn(join(folder, "roles/units/tasks"), "main.yml", stringify(tasks));
  for (const kind of ["defaults", "vars"]) {
    const texts = OURS.map((role) => readFile(join(ROLES, role, kind, "main.yml"), "utf8"));
    await writeIn(join(folder, "roles/units", kind), "main.yml", (await Promise.all(texts)).join("\n"));
  }
}

async function writeIn(folder: string, name: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), text);
}

/** A unit's name, its template's path, and an expression of what the template is given besides. */
type Template = readonly [name: string, path: string, given?: string];

async function daemonUnits(): Promise<Template[]> {
  return (await Promise.all(SIDES.map((role) => templatesOf(role)))).flat();
}

/** The templates of both sides, each with what the role's tasks give them. */
async function queryUnits(): Promise<Template[]> {
  const templates = await templatesOf("common");
  const ofSide = async (role: string): Promise<Template[]> => {
    const given = await givenToQueryUnits(role);
    return templates.map(([name, path]) => [name.replace("isochron-", `isochron-${role}-`), path, given]);
  };
  return (await Promise.all(SIDES.map(ofSide))).flat();
}

async function templatesOf(role: string): Promise<Template[]> {
  const folder = join(ROLES, role, "templates");
  const names = (await readdir(folder)).filter((name) => /\.(service|socket)\.j2$/.test(name));
  return names.sort().map((name) => [name.slice(0, -".j2".length), join(folder, name)]);
}

interface Task {
  "ansible.builtin.include_role"?: { tasks_from?: string };
  vars?: Record<string, string>;
}

async function givenToQueryUnits(role: string): Promise<string> {
  const tasks = parse(await readFile(join(ROLES, role, "tasks/main.yml"), "utf8")) as Task[];
  const task = tasks.find((one) => one["ansible.builtin.include_role"]?.tasks_from === "query-units");
  if (!task?.vars) throw new Error(`the tasks of ${role} do not include query-units`);
  const given = Object.entries(task.vars).map(([name, value]) => `'${name}': ${asExpression(value)}`);
  return `{${given.join(", ")}}`;
}

/** A variable of the tasks within an expression: text stands in quotes, `{{ … }}` without its braces. */
function asExpression(value: string): string {
  return /^\{\{ (.*) \}\}$/.exec(value)?.[1] ?? JSON.stringify(value);
}
