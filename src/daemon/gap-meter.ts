import type { Gap } from "../wire/daemon-status.ts";

/** How long things were missing that others took away. */
export class GapMeter {
  #count = 0;
  #lastMs: number | undefined;
  #longestMs: number | undefined;

  add(milliseconds: number): void {
    const rounded = Math.round(milliseconds * 10) / 10;
    this.#count++;
    this.#lastMs = rounded;
    this.#longestMs = Math.max(this.#longestMs ?? 0, rounded);
  }

  get gap(): Gap {
    return {
      count: this.#count,
      ...(this.#lastMs !== undefined && { lastMs: this.#lastMs }),
      ...(this.#longestMs !== undefined && { longestMs: this.#longestMs }),
    };
  }
}
