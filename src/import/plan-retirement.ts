import type { Address } from "../base/address.ts";
import { parsePortRange } from "../base/port.ts";
import { planRemoval, type Removal } from "../xtables/removal.ts";
import { optionOf, type SavedRule, type SavedTable } from "../xtables/save.ts";
import { isRead, type Forward } from "./forward.ts";
import { readRule } from "./read-iptables.ts";

const nowhere = { file: "", line: 1, column: 1 } as const;

/**
 * The rules by which a hook script has made these forwards, and no others: DNAT of their very ports, the accept towards the guest in
 * the way of forwarded packets, and the rewritten source of a guest that asks for itself. An accept that names no port is the
 * script's too: guides have it so.
 */
export function planRetirement(
  tables: readonly SavedTable[],
  forwards: readonly Forward[],
): Removal {
  const guests = new Set(forwards.map(({ guestAddress }) => guestAddress));
  const isGuest = (rule: SavedRule, option: string) => guests.has(hostOf(optionOf(rule, option)));
  const onTheWay = chainsOnTheWay(tables);
  return planRemoval(tables, {
    isRule: (rule, { table, chain }) => {
      const target = optionOf(rule, "-j");
      switch (table) {
        case "filter":
          return onTheWay.has(chain) && isAccept(rule, forwards);
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

/** `FORWARD` of the table `filter`, and the chains to which it leads. */
function chainsOnTheWay(tables: readonly SavedTable[]): ReadonlySet<string> {
  const chains = tables.find(({ name }) => name === "filter")?.chains ?? [];
  const found = new Set(["FORWARD"]);
  // What is added meanwhile is looked at as well.
  for (const name of found) {
    for (const rule of chains.find((chain) => chain.name === name)?.rules ?? []) {
      const target = optionOf(rule, "-j", "-g");
      if (target !== undefined) found.add(target);
    }
  }
  return found;
}

/** What it says beside the guest's address is what a forward says too, or no more than an interface or the connection's state. */
function isAccept({ words }: SavedRule, forwards: readonly Forward[]): boolean {
  const options = readAccept(words);
  if (options?.get("-j") !== "ACCEPT") return false;
  const [guest, protocol, from] = ["-d", "-p", "-s"].map((option) => options.get(option));
  const own = forwards.filter(
    (known) =>
      known.guestAddress === hostOf(guest) &&
      (protocol === undefined || known.protocol === protocol) &&
      (from === undefined || (known.from && `${known.from.address}/${known.from.length}`) === from),
  );
  const ports = (options.get("--dport") ?? options.get("--dports"))?.split(",") ?? [];
  return own.length > 0 && ports.every((range) => own.some((known) => leadsTo(known, range)));
}

function leadsTo({ guestPorts }: Forward, text: string): boolean {
  const range = parsePortRange(text.replace(":", "-"));
  return range !== undefined && guestPorts.first <= range.first && range.last <= guestPorts.last;
}

const acceptOptions: ReadonlySet<string> = new Set(
  "-s -d -i -o -p -m -j --dport --dports --state --ctstate --comment".split(" "),
);
const acceptMatches: ReadonlySet<string | undefined> = new Set([
  "tcp",
  "udp",
  "multiport",
  "state",
  "conntrack",
  "comment",
]);

/** Undefined where it says anything else, or the opposite of something (`!`). */
function readAccept(words: readonly string[]): ReadonlyMap<string, string> | undefined {
  const options = new Map<string, string>();
  for (let i = 0; i < words.length; i += 2) {
    const [option = "", value = ""] = words.slice(i, i + 2);
    if (!acceptOptions.has(option) || (option === "-m" && !acceptMatches.has(value))) {
      return undefined;
    }
    options.set(option, value);
  }
  return options;
}

function hostOf(text = ""): Address {
  return text.replace(/\/(32|128)$/, "") as Address;
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
