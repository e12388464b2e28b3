// A source that watches something of this very process, such as its keys or its links: it is started and stopped with its writer,
// and there is no time at which it does not see.
import type { Source, SourceParts, SourceState } from "../source.js";
import { ElementWriter } from "./element-writer.js";

export abstract class OwnSource implements Source {
  readonly name: string;
  protected readonly writer: ElementWriter;
  #unwatch: () => void = () => undefined;

  constructor(name: string, parts: SourceParts) {
    this.name = name;
    this.writer = new ElementWriter({ source: name, ...parts });
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.writer.start();
    this.#unwatch = this.watch();
  }

  async stop(): Promise<void> {
    this.#unwatch();
    await this.writer.stop();
  }

  state(): SourceState {
    return { ...this.writer.state(), watching: true };
  }

  /** Writes what the ledger does not know yet, now and with each change; returns what ends it. */
  protected abstract watch(): () => void;
}
