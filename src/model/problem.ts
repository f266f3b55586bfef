/** Where something was written. Lines and columns count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/**
 * A mistake of the operator or of the input, with the fix. An `error` keeps the ruleset it concerns from being applied; a
 * `warning` is told and applied.
 */
export interface Problem {
  /** Stable, upper case with underscores: `UNKNOWN_KEY`, `DUPLICATE_MAC`. */
  readonly code: string;
  readonly severity: "error" | "warning";
  readonly at: Place;
  readonly message: string;
  /** What to write instead. */
  readonly hint?: string;
  /** The guest, where it is its name that is doubted. */
  readonly guest?: string;
}
