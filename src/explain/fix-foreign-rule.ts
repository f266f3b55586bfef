import type { Chain, Table } from "../nft/ast.ts";
import { legacyMark } from "./iptables-tables.ts";
import { isTranslated } from "./iptables-rule.ts";
import { isOpaque } from "./iptables-tables.ts";
import { addressOf, guestAt, portOf, publishCommand, type Stop } from "./stop.ts";
import { ownerOf } from "./table-owner.ts";

/** How the program whose rule it is lets it through; or how virtwall does for its guests. */
export function fixForeignRule(stop: Stop): string {
  const { last, knowledge, trail, answer } = stop;
  const isAllowed = trail.some(({ table, chain }) => table.name === "virtwall" && chain === "pass");
  if (isAllowed && knowledge.integration !== "auto") {
    return "host: { integration: auto }, then virtwall apply";
  }
  if (isAllowed || isLeftToVirtwall(stop)) return "virtwall apply";
  if (stop.packet.ports?.out !== undefined) return fixBridged(stop);
  if (answer.way === "there" && isClosedNetwork(stop)) {
    return publishCommand(stop);
  }
  const fix = byOwner[ownerOf(last.table, last.chain)] ?? insertRule;
  return fix(stop);
}

/** A guest's flow that virtwall would pass if its tables were there. */
function isLeftToVirtwall(stop: Stop): boolean {
  const { ground, last, answer } = stop;
  if (ground.tables.some(({ name }) => name === "virtwall")) return false;
  if (last.context?.hook !== "forward") return false;
  const [from, to] = [guestAt(stop, "saddr"), guestAt(stop, "daddr")];
  return answer.way === "back"
    ? from !== undefined
    : from !== undefined ||
        (to !== undefined && to.isRouted === true) ||
        (answer.rewritten !== undefined && to !== undefined);
}

/** Guests of a network with nat are reached by publications alone. */
function isClosedNetwork(stop: Stop): boolean {
  const to = guestAt(stop, "daddr");
  const isGuests = to !== undefined && to.isRouted !== true;
  return isGuests && stop.last.context?.hook === "forward" && guestAt(stop, "saddr") === undefined;
}

/** What only crosses a bridge meets the rule by br_netfilter alone, and so do its answers. */
function fixBridged(stop: Stop): string {
  const calls = stop.question.family === 4 ? "iptables" : "ip6tables";
  return isOfIptables(stop)
    ? `${iptablesOf(stop.last.table)} -I ${baseOf(stop)?.name ?? stop.last.chain} -m physdev --physdev-is-bridged -j ACCEPT`
    : `sysctl -w net.bridge.bridge-nf-call-${calls}=0`;
}

type Fix = (stop: Stop) => string;

const byOwner: Readonly<Record<string, Fix>> = {
  ufw: fixUfw,
  firewalld: fixFirewalld,
  Docker: fixDocker,
  libvirt: insertRule,
  iptables: fixIptables,
};

function fixUfw(stop: Stop): string {
  const [port, address] = [portOf(stop, "dport"), addressOf(stop, "daddr")];
  const isForwarded = stop.last.context?.hook === "forward";
  const what = isForwarded ? "ufw route allow" : "ufw allow";
  // ufw has no words for ICMP.
  if (port === undefined) return insertRule(stop);
  return `${what} proto ${stop.question.protocol} to ${address ?? "any"} port ${String(port)}`;
}

function fixFirewalld(stop: Stop): string {
  const { trail, last } = stop;
  const zone = trail
    .filter(({ table }) => table === last.table)
    .map(({ chain }) =>
      /^(?:filter_|mangle_)?(?:IN|FWD)_(\w+?)(?:_(?:pre|log|deny|allow|post))?$/.exec(chain),
    )
    .findLast((match) => match !== null)?.[1];
  if (last.context?.hook !== "input" || zone === undefined) return insertRule(stop);
  const port = portOf(stop, "dport");
  return port === undefined
    ? `firewall-cmd --zone=${zone} --add-protocol=icmp`
    : `firewall-cmd --zone=${zone} --add-port=${String(port)}/${stop.question.protocol}`;
}

/** Docker leaves a chain of iptables to its users, and asks it first. */
function fixDocker(stop: Stop): string {
  const hasUsers = stop.last.table.chains.some(({ name }) => name === "DOCKER-USER");
  if (!hasUsers || stop.last.context?.hook !== "forward") return insertRule(stop);
  return `${iptablesOf(stop.last.table)} -I DOCKER-USER ${matchOf(stop)}-j ACCEPT`;
}

function fixIptables(stop: Stop): string {
  const { table } = stop.last;
  const name = table.name.replace(legacyMark, "");
  const option = name === "filter" ? "" : `-t ${name} `;
  return `${iptablesOf(table)} ${option}-I ${baseOf(stop)?.name ?? stop.last.chain} ${matchOf(stop)}-j ACCEPT`;
}

function iptablesOf({ family, name }: Table): string {
  const program = family === "ip6" ? "ip6tables" : "iptables";
  return name.endsWith(legacyMark) ? `${program}-legacy` : program;
}

function matchOf(stop: Stop): string {
  if (stop.answer.way === "back") return "-m conntrack --ctstate RELATED,ESTABLISHED ";
  const [address, port] = [addressOf(stop, "daddr"), portOf(stop, "dport")];
  const to = address === undefined ? "" : `-d ${address} `;
  return `${to}-p ${protocolOf(stop)}${port === undefined ? " " : ` --dport ${String(port)} `}`;
}

/** What the chain that the hook calls says first counts for all that it calls. */
export function insertRule(stop: Stop): string {
  const { table, chain } = stop.last;
  if (isOfIptables(stop)) return fixIptables(stop);
  const base = baseOf(stop)?.name ?? chain;
  return `nft insert rule ${table.family} ${table.name} ${base} ${nftMatchOf(stop)}accept`;
}

function isOfIptables({ last: { table } }: Stop): boolean {
  return (
    table.name.endsWith(legacyMark) ||
    isOpaque(table) ||
    table.chains.some(({ rules }) => rules.some(isTranslated)) ||
    ownerOf(table, "INPUT") === "iptables"
  );
}

/** Of the packet that was stopped, which may be one that is there for the sake of another. */
function protocolOf({ packet, question }: Stop): string {
  if (packet.protocol === 1) return "icmp";
  return packet.protocol === 58 ? "ipv6-icmp" : question.protocol;
}

function nftMatchOf(stop: Stop): string {
  if (stop.answer.way === "back") return "ct state established,related ";
  const [address, port] = [addressOf(stop, "daddr"), portOf(stop, "dport")];
  const family = stop.question.family === 4 ? "ip" : "ip6";
  const to = address === undefined ? "" : `${family} daddr ${address} `;
  return port === undefined
    ? `${to}meta l4proto ${protocolOf(stop)} `
    : `${to}${stop.question.protocol} dport ${String(port)} `;
}

function baseOf({ last, trail }: Stop): Chain | undefined {
  const bases = last.table.chains.filter(({ base }) => base !== undefined);
  const entered = trail
    .slice(0, trail.indexOf(last) + 1)
    .findLast(
      ({ table, chain }) => table === last.table && bases.some(({ name }) => name === chain),
    );
  return bases.find(({ name }) => name === entered?.chain);
}
