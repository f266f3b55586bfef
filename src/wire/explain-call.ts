import { defined } from "../base/defined.ts";

/** A question of `virtwall explain`, as it was typed. */
export interface ExplainCall {
  readonly protocol: string;
  readonly from: string;
  readonly to: string;
  readonly iif?: string;
  readonly mac?: string;
  readonly state: "new" | "established";
  readonly json: boolean;
}

/** What the command printed, and the exit status that it ended with. */
export interface ExplainResult {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Undefined for what is no question. Whether its words mean anything is not looked at. */
export function readExplainCall(value: unknown): ExplainCall | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { protocol, from, to, iif, mac, state, json } = value as Partial<Record<string, unknown>>;
  if (!isWord(protocol) || !isWord(from) || !isWord(to)) return undefined;
  if (iif !== undefined && !isWord(iif)) return undefined;
  if (mac !== undefined && !isWord(mac)) return undefined;
  if (state !== "new" && state !== "established") return undefined;
  return { protocol, from, to, ...defined({ iif, mac }), state, json: json === true };
}

/** It becomes the argument of a program, which holds no NUL (execve(2)). */
function isWord(value: unknown): value is string {
  return typeof value === "string" && value !== "" && !value.includes("\0");
}
