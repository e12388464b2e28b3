// Answers the calls of one bus connection from the tables of served objects: finds the method, checks the signature and the
// caller, bounds what is outstanding, runs the handler, and turns what it throws into an error of the bus. No call may end
// the daemon, learn a stack trace, or wait without a bound.
import type { Logger } from "../log.js";
import { type MethodsByInterface, methodsOfObject, methodsOfPath } from "./answer-standard.js";
import type { BusCall } from "./bus-connection.js";
import { CallRefused, describeFailure } from "./call-refused.js";
import type { CallerUsers } from "./caller-users.js";
import { type CallLimits, measureArguments } from "./limit-calls.js";
import type { Caller, ServedMethod, ServedObject } from "./served-object.js";

export interface ObjectServerOptions {
  objects: readonly ServedObject[];
  users: CallerUsers;
  limits: CallLimits;
  /** Fires when the face stops: calls that come later are refused. */
  signal: AbortSignal;
  counts: CallCounts;
  log: Logger;
}

/** Since the start of the face, over all connections. */
export interface CallCounts {
  answered: number;
  refused: number;
  /** Refusals that are faults of ours: each is in the log. */
  failed: number;
}

export class ObjectServer {
  readonly #options: ObjectServerOptions;
  readonly #methods: Map<string, MethodsByInterface>;

  constructor(options: ObjectServerOptions) {
    const { objects } = options;
    this.#options = options;
    const leading = objects.flatMap(({ path }) => pathsAbove(path));
    this.#methods = new Map(leading.map((path) => [path, methodsOfPath(objects, path)]));
    for (const object of objects) this.#methods.set(object.path, methodsOfObject(objects, object));
  }

  /** Never throws; the call is answered now or later. */
  take(call: BusCall): void {
    const bytes = measureArguments(call.body);
    try {
      const method = this.#find(call);
      this.#options.limits.enter(call.sender, bytes);
      this.#run(method, call, bytes);
    } catch (error) {
      this.#refuse(call, error);
    }
  }

  #run(method: ServedMethod, call: BusCall, bytes: number): void {
    const leave = () => this.#options.limits.leave(call.sender, bytes);
    let answer: unknown[] | Promise<unknown[]>;
    try {
      answer = this.#begin(method, call);
    } catch (error) {
      leave();
      throw error;
    }
    if (answer instanceof Promise) {
      const replied = answer.then((body) => this.#reply(call, method, body));
      void replied.catch((error: unknown) => this.#refuse(call, error)).finally(leave);
    } else {
      leave();
      this.#reply(call, method, answer);
    }
  }

  #find(call: BusCall): ServedMethod {
    if (this.#options.signal.aborted) {
      throw Object.assign(new Error("the daemon is stopping"), { code: "stopping" });
    }
    const method = this.#named(call);
    const { takes, alsoTakes } = method;
    if (call.signature !== takes && !alsoTakes?.includes(call.signature)) {
      throw new CallRefused("InvalidArgs", `${call.member} takes ${spell(takes)}, not ${spell(call.signature)}`);
    }
    return method;
  }

  #named({ path, interface: iface, member }: BusCall): ServedMethod {
    const interfaces = this.#methods.get(path);
    if (!interfaces) throw new CallRefused("UnknownObject", `nothing is served at ${path}`);
    // A call may leave its interface out; the name alone then says which method is meant.
    const candidates = iface === "" ? [...interfaces.values()] : [interfaces.get(iface)];
    if (candidates[0] === undefined) throw new CallRefused("UnknownInterface", `${path} has no interface ${iface}`);
    const method = candidates.find((methods) => methods?.has(member))?.get(member);
    if (!method) throw new CallRefused("UnknownMethod", `${iface || path} has no method ${member}`);
    return method;
  }

  #begin(method: ServedMethod, call: BusCall): unknown[] | Promise<unknown[]> {
    const { users, signal } = this.#options;
    const caller: Caller = { sender: call.sender, uid: () => users.of(call.sender), signal };
    return method.adminOnly ? this.#asAdmin(method, call, caller) : method.answer(call.body, caller);
  }

  async #asAdmin(method: ServedMethod, call: BusCall, caller: Caller): Promise<unknown[]> {
    const uid = await caller.uid();
    if (uid !== 0 && uid !== process.geteuid?.()) {
      throw new CallRefused("AccessDenied", `${call.member} is for root only; you are user ${uid}`);
    }
    this.#options.log.info("called by an administrator", { method: call.member, uid });
    return method.answer(call.body, caller);
  }

  #reply(call: BusCall, method: ServedMethod, body: unknown[]): void {
    this.#options.counts.answered += 1;
    call.reply(method.gives, body);
  }

  #refuse(call: BusCall, error: unknown): void {
    const { counts, log } = this.#options;
    const { name, text, isFault } = describeFailure(error);
    counts[isFault ? "failed" : "refused"] += 1;
    if (isFault) log.error("a call on the bus failed", { interface: call.interface, method: call.member, error });
    call.replyError(name, text);
  }
}

/** `/`, `/dev`, `/dev/isochron` for `/dev/isochron/Primary1`. */
function pathsAbove(path: string): string[] {
  const parts = path.split("/").slice(1);
  return parts.map((_, depth) => `/${parts.slice(0, depth).join("/")}`);
}

function spell(signature: string): string {
  return signature === "" ? "no arguments" : `(${signature})`;
}
