import type { Address } from "../base/address.ts";
import { planRemoval, type Removal } from "../xtables/removal.ts";
import { optionOf, type SavedRule, type SavedTable } from "../xtables/save.ts";
import { isRead, type Forward } from "./forward.ts";
import { readRule } from "./read-iptables.ts";

const nowhere = { file: "", line: 1, column: 1 } as const;

/**
 * The rules by which a hook script has made these forwards, and no others: DNAT of their very ports, the accept towards the guest in
 * the way of forwarded packets, and the rewritten source of a guest that asks for itself.
 */
export function planRetirement(
  tables: readonly SavedTable[],
  forwards: readonly Forward[],
): Removal {
  const guests = new Set(forwards.map(({ guestAddress }) => guestAddress));
  const isGuest = (rule: SavedRule, option: string) =>
    guests.has((optionOf(rule, option) ?? "").replace(/\/(32|128)$/, "") as Address);
  return planRemoval(tables, {
    isRule: (rule, { table }) => {
      const target = optionOf(rule, "-j");
      switch (table) {
        case "filter":
          return target === "ACCEPT" && isGuest(rule, "-d");
        case "nat":
          return target === "DNAT"
            ? isForward(rule, forwards)
            : isRewrite(target) && isGuest(rule, "-s") && isGuest(rule, "-d");
        default:
          return false;
      }
    },
    isChain: () => false,
  });
}

function isRewrite(target: string | undefined): boolean {
  return target === "MASQUERADE" || target === "SNAT";
}

/** The script may have named the public address in the way into its own chain. */
function isForward(rule: SavedRule, forwards: readonly Forward[]): boolean {
  const read = readRule(rule.words, { at: nowhere });
  if (read === undefined || !isRead(read)) return false;
  return read.value.every((made) =>
    forwards.some(
      (known) =>
        known.protocol === made.protocol &&
        known.guestAddress === made.guestAddress &&
        known.public.first <= made.public.first &&
        made.public.last <= known.public.last &&
        made.guestPorts.first - known.guestPorts.first === made.public.first - known.public.first &&
        (made.address === undefined ||
          known.address === undefined ||
          made.address === known.address),
    ),
  );
}
