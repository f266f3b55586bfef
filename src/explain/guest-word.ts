import { shellWord } from "../base/shell-word.ts";

/* A guest's name is of its owner's choice, and what mends a flow is typed, or written into a policy. */

/** As a word of a command; `GUEST` where nobody knows which. */
export function guestWord(guest: string | undefined): string {
  return guest === undefined ? "GUEST" : shellWord(guest);
}

/** Words that YAML takes for no text, and such as it may. */
const otherwise = /^(?:true|false|yes|no|on|off|y|n|null)$/i;

/** As a key of a policy. */
export function guestKey(guest: string | undefined): string {
  if (guest === undefined) return "GUEST";
  return /^[a-z_][\w-]*$/i.test(guest) && !otherwise.test(guest) ? guest : JSON.stringify(guest);
}
