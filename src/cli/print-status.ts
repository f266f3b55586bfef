import { formatPortRange, type PortRange } from "../base/port.ts";
import type { Problem } from "../model/problem.ts";
import type { GuestState, NicState } from "../model/state.ts";
import type {
  Contest,
  DaemonStatus,
  Gap,
  IntegrationStatus,
  NetworkStatus,
  PolicyStatus,
  ProtectionStatus,
  PublicationStatus,
} from "../wire/daemon-status.ts";
import { counted, printColumns } from "./columns.ts";
import { formatParameters, nicBindings, nobodyText, type NicBinding } from "./nic-bindings.ts";
import { verdictOf } from "./print-problems.ts";

/** `virtwall status` for people, in 80 columns where names are of usual length. */
export function printStatus(status: DaemonStatus): string {
  return [
    printColumns(summary(status), ""),
    section("networks", status.networks.map(networkRow)),
    section("guests", status.guests.flatMap(guestRows)),
    section("filters", nicBindings(status.guests).map(bindingRow)),
    section("publications", publicationRows(status.publications, status.policy.problems)),
    section("other firewalls", integrationRows(status.integration)),
  ].join("");
}

function section(title: string, rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? "" : `\n${title}\n${printColumns(rows)}`;
}

function summary(status: DaemonStatus): string[][] {
  const { daemon, gate, gaps } = status;
  return [
    ["daemon", daemonText(daemon)],
    ["gate", gate ? `running, pid ${gate.pid}` : "not running"],
    ["protection", protectionText(status.protection)],
    ["policy", policyText(status.policy)],
    ...status.errors.map((error) => ["error", error]),
    ...(status.policy.keepsFilters
      ? [["filters", "THOSE OF BEFORE: virtwall nwfilter check"]]
      : []),
    ...gapRow("put back", "our tables", gaps.tables),
    ...gapRow("put back", "pass rules", gaps.passRules),
  ];
}

function daemonText(daemon: DaemonStatus["daemon"]): string {
  return daemon === null
    ? "NOT RUNNING"
    : `running since ${daemon.since.slice(0, 19)}Z, pid ${daemon.pid}, ${daemon.version}`;
}

function protectionText(protection: ProtectionStatus): string {
  switch (protection.mode) {
    case "owner":
      return "owner: no other program can change or flush our tables";
    case "restore":
      return `restore: what is taken away is put back (${protection.reason})`;
    case "none":
      return `none: ${protection.reason}`;
    case "unknown":
      return `unknown: ${protection.reason}`;
  }
}

function policyText(policy: PolicyStatus): string {
  const gone = policy.problems.find(({ code }) => code === "POLICY_GONE");
  if (gone) {
    const inForce = policy.inForce === "last-good" ? "LAST GOOD ONE IN FORCE" : "NOT IN FORCE";
    return `${inForce}, ${gone.message}`;
  }
  const files = policy.files.length === 0 ? "empty" : policy.files.join(", ");
  const found =
    policy.problems.length === 0 ? "" : `; ${verdictOf(policy.problems)}: virtwall check`;
  switch (policy.inForce) {
    case "current":
      return `${files}${found}`;
    case "last-good":
      return `LAST GOOD ONE IN FORCE, ${files} has errors${found}`;
    case "none":
      return `NOT IN FORCE, ${files} has errors${found}`;
    case "undecided":
      return `NOT IN FORCE YET, ${files}`;
  }
}

function gapRow(title: string, what: string, gap: Gap): string[][] {
  if (gap.count === 0) return [];
  const times =
    gap.lastMs === undefined ? "" : `: last in ${gap.lastMs} ms, longest ${gap.longestMs} ms`;
  return [[title, `${what} ${counted(gap.count, "time")}${times}`]];
}

function networkRow(network: NetworkStatus): string[] {
  return [network.name, network.mode, network.bridge, network.prefixes.join(", ")];
}

function guestRows(guest: GuestState): string[][] {
  const groups = guest.groups.length === 0 ? "" : `groups ${guest.groups.join(", ")}`;
  const [first, ...others] = guest.nics;
  if (!first) return [[guest.name, "no nic", "", groups]];
  return [
    [guest.name, ...nicCells(first), groups],
    ...others.map((nic) => ["", ...nicCells(nic), ""]),
  ];
}

function nicCells(nic: NicState): string[] {
  const addresses = nic.addresses.map(({ address, source }) => `${address} (${source})`);
  return [
    nic.tap ?? nic.mac,
    nic.network ?? nic.bridge ?? "-",
    addresses.length === 0 ? "no address" : addresses.join(", "),
  ];
}

function bindingRow(binding: NicBinding): string[] {
  const { guest, tap, mac, filter, enforcedBy, parameters } = binding;
  const addresses = (["learned", "leased"] as const)
    .filter((source) => binding[source].length > 0)
    .map((source) => `${source} ${binding[source].join(", ")}`);
  return [
    guest,
    tap ?? mac,
    filter,
    enforcedBy === "nobody" ? nobodyText(binding) : `by ${enforcedBy}`,
    addresses.join("; "),
    formatParameters(parameters),
  ];
}

/** `tcp/2222:22` as policy writes it. */
export function formatMapping(mapping: {
  readonly protocol: string;
  readonly public: PortRange;
  readonly guest: PortRange;
}): string {
  const open = formatPortRange(mapping.public);
  const inside = formatPortRange(mapping.guest);
  return `${mapping.protocol}/${open}${open === inside ? "" : `:${inside}`}`;
}

/** The same of what became of a publication. */
export function mappingOf(publication: PublicationStatus): string {
  return formatMapping({ ...publication, guest: publication.guestPorts });
}

/** With the names that were meant where the problems doubt those of guests. */
export function publicationRows(
  publications: readonly PublicationStatus[],
  problems: readonly Problem[],
): string[][] {
  const hints = new Map(problems.map(({ guest, hint }) => [guest, hint]));
  return publications.map((publication) => {
    const { guest, address, state, targets, connections, writtenIn } = publication;
    const where = [...new Set(targets.map((target) => target.guestAddress))].join(", ");
    const why = [publication.reason, hints.get(guest)].filter((text) => text !== undefined);
    return [
      guest,
      mappingOf(publication),
      address ?? "uplinks",
      state === "active" ? `active to ${where}` : `pending: ${why.join(": ")}`,
      state === "active" && connections !== undefined ? counted(connections, "connection") : "",
      writtenIn === "guest" ? "in guest" : "",
    ];
  });
}

function integrationRows(integration: IntegrationStatus): string[][] {
  if (integration.mode === "off") return [["not looked at: host.integration is off"]];
  const { contested } = integration;
  const names = integration.firewalls.map(({ name, state }) => `${name}: ${state}`);
  const contest = contested && contestText(contested);
  return [
    ...(names.length === 0 ? [] : [["found", names.join(", ")]]),
    ...(contest === undefined ? [] : [["contested", contest]]),
    ...chainRows(integration.chains),
  ];
}

function contestText({ times, by = "somebody" }: Contest): string {
  return `${by} took pass rules away ${counted(times, "time")} in 10 s: they are put back once a second now`;
}

function chainRows(chains: IntegrationStatus["chains"]): string[][] {
  return chains
    .filter((chain) => chain.state !== "not needed")
    .map((chain) => [
      chain.by === "nft"
        ? `${chain.family} ${chain.table} ${chain.chain}`
        : `${chain.by} ${chain.table} ${chain.chain}`,
      chain.state,
      chain.line ?? (chain.state === "passed" ? "" : (chain.reason ?? "")),
    ]);
}
