import { nearest } from "../base/nearest.ts";
import type { Place, Problem } from "../model/problem.ts";

export interface FilterOptions {
  /** Take what libvirt takes, do what it does with it, and warn. */
  readonly isCompat: boolean;
}

/** Something that libvirt takes and understands otherwise than it was written. */
interface Misreading {
  readonly at: Place;
  /** What is written. */
  readonly what: string;
  /** What libvirt makes of it, as in `libvirt leaves it out`. */
  readonly libvirt: string;
  readonly hint: string;
}

/** Gathers what is wrong with one filter. */
export class FilterReport {
  readonly problems: Problem[] = [];
  readonly #isCompat: boolean;

  constructor({ isCompat }: FilterOptions) {
    this.#isCompat = isCompat;
  }

  get hasErrors(): boolean {
    return this.problems.some(({ severity }) => severity === "error");
  }

  /** The word that was meant. It is dear to find, and of more problems than this nobody reads the hints. */
  meant(word: string, known: Iterable<string>): string | undefined {
    return this.problems.length < 100 ? nearest(word, known) : undefined;
  }

  /** What nobody can use, libvirt neither. */
  error(code: string, at: Place, { message, hint }: { message: string; hint: string }): void {
    this.problems.push({ code, severity: "error", at, message, hint });
  }

  misread({ at, what, libvirt, hint }: Misreading): void {
    const severity = this.#isCompat ? "warning" : "error";
    const so = this.#isCompat ? ", and so does this" : "";
    const message = `${what}: libvirt ${libvirt}${so}`;
    this.problems.push({ code: "MISREAD_FILTER", severity, at, message, hint });
  }
}
