import type { Dice } from "./dice.ts";
import { anyMatch, end, natEnd, type Place } from "./random-rule.ts";

/*
 * Rulesets as text that nft takes, by construction: nothing here is built or printed by the product. Every packet of the test is
 * traced from its first chain on; the test knows it by its TTL.
 */

export const tracedTtl = 77;

/** Traces every packet of the test. */
export const traced = `table inet traced {
	chain pre { type filter hook prerouting priority -500; ip ttl ${tracedTtl} meta nftrace set 1; ip6 hoplimit ${tracedTtl} meta nftrace set 1; }
	chain out { type filter hook output priority -500; ip ttl ${tracedTtl} meta nftrace set 1; ip6 hoplimit ${tracedTtl} meta nftrace set 1; }
}
table bridge traced {
	chain pre { type filter hook prerouting priority -500; ip ttl ${tracedTtl} meta nftrace set 1; ip6 hoplimit ${tracedTtl} meta nftrace set 1; }
}
`;

export function randomRuleset(dice: Dice): string {
  const families = dice.times(dice.between(1, 4), () =>
    dice.pick(["inet", "inet", "ip", "ip6", "bridge"] as const),
  );
  const tables = families.map((family, index) => table(dice, family, `t${String(index)}`));
  return `${traced}${tables.join("\n")}\n`;
}

const hooks = ["prerouting", "input", "forward", "output", "postrouting"] as const;
const priorities = [-300, -290, -150, -101, -99, -10, 0, 0, 0, 5, 50, 99, 101, 300];

function table(dice: Dice, family: Place["family"], name: string): string {
  const regular = dice.times(dice.between(0, 3), (index) => `c${String(index)}`);
  const place = { family, regular, hook: undefined } as const;
  const bases = dice
    .some(hooks, 50)
    .flatMap((hook) => dice.times(dice.chance(25) ? 2 : 1, (index) => ({ hook, index })))
    .map(({ hook, index }) => baseChain(dice, { ...place, hook }, `${hook}_${String(index)}`));
  // A chain may jump to those before it alone, so there is no circle.
  const chains = regular.map((chain, index) =>
    block(`chain ${chain}`, rules(dice, { ...place, regular: regular.slice(0, index) })),
  );
  const nat =
    family === "bridge" || !dice.chance(45) ? [] : natChains(dice, { ...place, regular: [] });
  return block(`table ${family} ${name}`, [...sets(dice), ...chains, ...bases, ...nat]);
}

function block(head: string, lines: readonly string[]): string {
  return `${head} {\n${lines.join("\n")}\n}`;
}

function baseChain(dice: Dice, place: Place, name: string): string {
  const policy = dice.chance(85) ? "accept" : "drop";
  const head = `type filter hook ${String(place.hook)} priority ${String(dice.pick(priorities))}; policy ${policy};`;
  return block(`chain ${name}`, [head, ...rules(dice, place)]);
}

function rules(dice: Dice, place: Place): string[] {
  return dice.times(dice.between(0, 6), () => {
    let rule = dice.chance(20) ? "counter" : "";
    for (let left = dice.pick([0, 1, 1, 1, 2, 2, 3]); left > 0; left--)
      rule += ` ${anyMatch(dice, place, rule)}`;
    return `${rule} ${end(dice, place, rule)}`;
  });
}

const natHooks = [
  ["prerouting", "dnat"],
  ["output", "dnat"],
  ["postrouting", "snat"],
  ["input", "snat"],
] as const;

function natChains(dice: Dice, place: Place): string[] {
  return dice.some(natHooks, 50).map(([hook, kind]) => {
    const priority = dice.pick(kind === "dnat" ? [-100, -105, -90, 0] : [100, 95, 110, 0]);
    const head = `type nat hook ${hook} priority ${String(priority)}; policy accept;`;
    const lines = dice.times(dice.between(1, 3), () => {
      const before = dice.chance(50) ? anyMatch(dice, { ...place, hook }, "") : "";
      return `${before} ${natEnd(dice, { ...place, hook }, { kind, before })}`;
    });
    return block(`chain nat_${hook}`, [head, ...lines]);
  });
}

/** The same sets in each table, with other elements. */
function sets(dice: Dice): string[] {
  const four = dice.some([
    "10.0.1.2",
    "10.0.1.3",
    "10.0.2.2",
    "10.0.2.4",
    "10.0.3.2",
    "198.51.100.7",
  ]);
  const six = dice.some(["fd01::2", "fd01::3", "fd02::2", "fd02::4", "fd03::2"]);
  const ports = dice.some(["22", "53", "80-90", "443", "1000-2000", "30000-50000"]);
  const names = dice.some(['"left"', '"right"', '"br0"', '"one"', '"lo"']);
  const verdict = () => dice.pick(["accept", "drop", "return", "continue"]);
  return [
    set("set four", "type ipv4_addr", four),
    set(
      "set nets",
      "type ipv4_addr; flags interval",
      dice.some(["10.0.1.0/30", "10.0.2.0-10.0.2.3", "10.0.3.0/24", "198.51.100.0/24"]),
    ),
    set("set six", "type ipv6_addr", six),
    set("set ports", "type inet_service; flags interval", ports),
    set("set names", "type ifname", names),
    set(
      "set sockets",
      "type ipv4_addr . inet_service",
      four.map((address) => `${address} . ${dice.pick(["22", "80", "443"])}`),
    ),
    set(
      "set ranges",
      "type ipv4_addr . inet_proto . inet_service; flags interval",
      dice.some([
        "10.0.1.0/24 . tcp . 1-100",
        "10.0.2.2-10.0.2.4 . udp . 0-65535",
        "10.0.3.0/24 . tcp . 80",
      ]),
    ),
    set(
      "map ways",
      "type ifname : verdict",
      names.map((name) => `${name} : ${verdict()}`),
    ),
    set(
      "map marks",
      "type ipv4_addr : mark",
      four.map((address) => `${address} : ${String(dice.between(0, 5))}`),
    ),
    set(
      "map doors",
      "type inet_proto . inet_service : verdict; flags interval",
      dice
        .some(["tcp . 22", "tcp . 80-443", "udp . 53", "udp . 1000-2000"])
        .map((door) => `${door} : ${verdict()}`),
    ),
    set("set seen", "type ipv4_addr; size 65535; flags dynamic,timeout; timeout 1h", []),
  ];
}

function set(head: string, declaration: string, elements: readonly string[]): string {
  const list = elements.length === 0 ? "" : ` elements = { ${elements.join(", ")} };`;
  return `${head} { ${declaration};${list} }`;
}
