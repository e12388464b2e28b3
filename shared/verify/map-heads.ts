// Chain heads in memory, for a walk from nothing.
import { type ElementHead, NO_HEAD } from "../store/element-heads.js";
import type { HeadTable } from "./verify-generation.js";

export class MapHeads implements HeadTable {
  readonly all = new Map<string, ElementHead>();

  head(elementId: string): ElementHead {
    return this.all.get(elementId) ?? NO_HEAD;
  }

  setHead(elementId: string, head: ElementHead): void {
    this.all.set(elementId, head);
  }
}
