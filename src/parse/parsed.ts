/** A word that was understood, or why it was not. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string; readonly hint?: string };

export function accept<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function refuse(message: string, hint?: string): Parsed<never> {
  return hint === undefined ? { ok: false, message } : { ok: false, message, hint };
}
