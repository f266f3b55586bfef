import { quote } from "../base/quote.ts";
import type { LibvirtFacts } from "../ports/host-facts.ts";
import type { Examination, Finding } from "./examination.ts";
import type { Facts } from "./facts.ts";
import { backendOf, isBefore, noLibvirt, versionText } from "./libvirt-version.ts";
import { shellWord } from "../base/shell-word.ts";

/** Faults of this libvirt's version that can strike on this host. */
export const libvirtFaults: Examination<Names> = {
  id: "libvirt-faults",
  needs: ["libvirt", "tables", "firewalld", "units", "hooks", "desired"],
  examine({ libvirt, ...others }) {
    if (libvirt === undefined) return noLibvirt;
    const host = { libvirt, ...others };
    return faults.flatMap((fault) => fault(host));
  },
};

type Names = "libvirt" | "tables" | "firewalld" | "units" | "hooks" | "desired";
interface Host extends Omit<Pick<Facts, Names>, "libvirt"> {
  readonly libvirt: LibvirtFacts;
}

const faults: readonly ((host: Host) => readonly Finding[])[] = [
  hooksNotRun,
  filtersOnNftables,
  filtersWhileReloading,
  flushedNetworks,
  routedBehindFirewalld,
];

function hooksNotRun({ libvirt, hooks }: Host): readonly Finding[] {
  const ours = hooks.own.filter(({ state }) => state === "installed");
  if (ours.length === 0 || !isBefore(libvirt.version, [6, 5])) return [];
  return warning({
    message: "this libvirt runs no hooks in folders, so none of ours",
    evidence: [versionText(libvirt), ...ours.map(({ file }) => file)],
    fix: "upgrade libvirt to 6.5 or newer",
  });
}

/** Its nftables driver for filters (12.x) takes negations, limits, states and learning otherwise than its documentation has it. */
function filtersOnNftables(facts: Host): readonly Finding[] {
  const guests = filteredByLibvirt(facts);
  const tables = facts.tables.filter(({ name }) => name.startsWith("libvirt_nwfilter"));
  if (guests.length === 0 || tables.length === 0) return [];
  return warning({
    message:
      "libvirt enforces filters by nftables, and misreads some: negated addresses, connlimit-above, states, learning",
    evidence: [
      versionText(facts.libvirt),
      ...tables.map(({ family, name }) => `table ${family} ${name}`),
    ],
    fix: guests.map((guest) => `virtwall nwfilter adopt ${shellWord(guest)}`).join("; "),
  });
}

/** 11.6 mended it (NEWS). */
function filtersWhileReloading(facts: Host): readonly Finding[] {
  const guests = filteredByLibvirt(facts);
  const { libvirt, firewalld } = facts;
  if (guests.length === 0 || firewalld === undefined || !isBefore(libvirt.version, [11, 6])) {
    return [];
  }
  return warning({
    message: `whenever firewalld reloads, libvirt leaves ${guests.map(quote).join(", ")} without filters for a moment`,
    evidence: [`${versionText(libvirt)}, mended in 11.6`],
    fix: guests.map((guest) => `virtwall nwfilter adopt ${shellWord(guest)}`).join("; "),
  });
}

/** A restart of nftables.service flushes the ruleset; what libvirt then puts back is wrong (10.4 to 12.8). */
function flushedNetworks({ libvirt, units, desired }: Host): readonly Finding[] {
  const flusher = units.units.get("nftables.service");
  const networks = managed(desired, ["nat", "route", "isolated"]);
  const isNftables = backendOf(libvirt) === "nftables";
  if (networks.length === 0 || !isNftables || flusher?.isEnabled !== true) return [];
  return warning({
    message: "after a restart of nftables.service libvirt does not put its rules back rightly",
    evidence: [
      `${versionText(libvirt)} with firewall_backend nftables`,
      `${flusher.file} is enabled`,
    ],
    fix: networks.map((name) => `virtwall adopt ${shellWord(name)}`).join("; "),
  });
}

/** 8.10 brought the zone libvirt-routed, since firewalld 1.0 keeps zones apart. */
function routedBehindFirewalld({ libvirt, firewalld, desired }: Host): readonly Finding[] {
  const networks = managed(desired, ["route"]);
  if (networks.length === 0 || firewalld === undefined || !isBefore(libvirt.version, [8, 10])) {
    return [];
  }
  return warning({
    message: `firewalld 1.0 and newer lets nobody in to the routed ${networks.map(quote).join(", ")}`,
    evidence: [`${versionText(libvirt)}, mended in 8.10`],
    fix: networks.map((name) => `virtwall adopt ${shellWord(name)}`).join("; "),
  });
}

function filteredByLibvirt({ desired }: Pick<Facts, "desired">): readonly string[] {
  return desired.inventory.guests
    .filter(({ nics }) => nics.some(({ filterRef }) => filterRef !== undefined))
    .map(({ name }) => name);
}

function managed({ inventory }: Facts["desired"], modes: readonly string[]): readonly string[] {
  return inventory.networks
    .filter(({ forward }) => modes.includes(forward))
    .map(({ name }) => name);
}

function warning(what: { message: string; evidence: readonly string[]; fix: string }): Finding[] {
  const { message, evidence, fix } = what;
  return [{ severity: "warning", message, evidence, fix: { text: fix } }];
}
