import { quote } from "../base/quote.ts";
import type { FirewallIntent, NicIntent } from "../model/intent.ts";
import type { Nic } from "../model/inventory.ts";
import type { HostLink } from "../ports/host-facts.ts";
import type { Examination, Finding, Skipped } from "./examination.ts";
import type { Facts } from "./facts.ts";
import { shellWord } from "../base/shell-word.ts";

/** Findings of a host whose topology has a firewall guest. */
export function inFirewallVm(
  { desired }: Pick<Facts, "desired">,
  find: (firewall: FirewallIntent) => readonly Finding[],
): readonly Finding[] | Skipped {
  const { firewall } = desired.compiled.intent;
  return firewall === undefined ? { reason: "the topology is host" } : find(firewall);
}

export function failed(message: string, evidence: readonly string[], fix: string): Finding {
  return { severity: "error", message, evidence, fix: { text: fix } };
}

/** The bridge of the WAN leads outside, and the host is not on it. */
export const wanBridge: Examination<"links" | "desired"> = {
  id: "wan-bridge",
  needs: ["links", "desired"],
  examine: (facts) =>
    inFirewallVm(facts, ({ wan }) => {
      const bridge = facts.links.find(({ name }) => name === wan);
      const planned = "write the files of: virtwall topology plan";
      if (bridge === undefined) {
        return [failed(`there is no bridge ${wan}`, [`ip link show ${wan}: none`], planned)];
      }
      const ports = facts.links.filter(({ master }) => master === wan);
      const list = ports.map(({ name }) => name).join(", ");
      const outside = ports.filter(({ kind, peer }) => kind !== "tun" && peer === undefined);
      return [
        ...(outside.length > 0
          ? []
          : [failed(`no port of ${wan} leads outside`, [`ports of ${wan}: ${list}`], planned)]),
        ...[bridge, ...outside].flatMap(downLink),
        ...[bridge, ...outside].flatMap((link) => addressed(link, planned)),
      ];
    }),
};

function downLink({ name, isUp }: HostLink): Finding[] {
  if (isUp === true) return [];
  return [failed(`${name} is down`, [`ip link show ${name}: no UP`], `ip link set ${name} up`)];
}

function addressed({ name, addresses }: HostLink, fix: string): Finding[] {
  if (addresses.length === 0) return [];
  const seen = addresses.map(({ address }) => `${name} has ${address}`);
  return [failed(`the host has an address on ${name}, among those outside`, seen, fix)];
}

/** The firewall guest runs, stands on both sides, and on the WAN alone. */
export const firewallNics: Examination<"links" | "desired"> = {
  id: "firewall-nics",
  needs: ["links", "desired"],
  examine: (facts) =>
    inFirewallVm(facts, (firewall) => [
      ...firewall.guests.flatMap((guest) => ofGuest(guest, firewall, facts)),
      ...strangers(firewall, facts),
    ]),
};

function ofGuest(
  guest: string,
  { wan }: FirewallIntent,
  { desired, links }: Pick<Facts, "links" | "desired">,
): Finding[] {
  const name = shellWord(guest);
  if (!desired.inventory.guests.some((each) => each.name === guest)) {
    const message = `guest ${quote(guest)} does not run: it forwards nothing`;
    return [failed(message, [`virsh list: no ${quote(guest)}`], `virsh start ${name}`)];
  }
  const nics = desired.compiled.intent.nics.filter((nic) => nic.guest === guest);
  const inside = desired.compiled.intent.networks.find(({ bridge }) => bridge !== wan);
  const attach = `--model virtio --config --live`;
  return [
    ...(nics.some(({ bridge }) => bridge === wan)
      ? []
      : [
          failed(
            `guest ${quote(guest)} has no nic on ${wan}`,
            nicLines(nics),
            `virsh attach-interface ${name} bridge ${wan} ${attach}`,
          ),
        ]),
    ...(nics.some(({ bridge }) => bridge !== undefined && bridge !== wan)
      ? []
      : [
          failed(
            `guest ${quote(guest)} has no nic behind ${wan}`,
            nicLines(nics),
            `virsh attach-interface ${name} bridge ${inside?.bridge ?? "BRIDGE"} ${attach}`,
          ),
        ]),
    ...nics.flatMap((nic) => unplugged(nic, links)),
  ];
}

function nicLines(nics: readonly NicIntent[]): string[] {
  const lines = nics.map(({ mac, bridge }) => `nic ${mac} on ${bridge ?? "no bridge"}`);
  return lines.length === 0 ? ["it has no nic"] : lines;
}

function unplugged({ tap, bridge }: NicIntent, links: readonly HostLink[]): Finding[] {
  if (tap === undefined || bridge === undefined) return [];
  const link = links.find(({ name }) => name === tap);
  if (link?.master === bridge && link.isUp === true) return [];
  const seen =
    link === undefined ? "is not there" : `is a port of ${link.master ?? "no bridge"}, or down`;
  const message = `the firewall guest is not plugged into ${bridge}`;
  return [failed(message, [`${tap} ${seen}`], `ip link set ${tap} master ${bridge} up`)];
}

/** Our rules let them say nothing there; but they are there for a reason that somebody should know of. */
function strangers(
  { guests, wan }: FirewallIntent,
  { links, desired }: Pick<Facts, "links" | "desired">,
): Finding[] {
  const taps = links.filter(({ kind, master }) => kind === "tun" && master === wan);
  const owners = desired.inventory.guests.flatMap(({ name, nics }) =>
    nics.map((nic): [string, Nic] => [name, nic]),
  );
  return taps.flatMap((link) => {
    const [owner, nic] = owners.find(([, each]) => each.tap === link.name) ?? [];
    if (owner !== undefined && guests.includes(owner)) return [];
    const whose = owner === undefined ? "nobody that libvirt knows" : `guest ${quote(owner)}`;
    const fix =
      owner === undefined || nic === undefined
        ? `ip link set ${link.name} nomaster`
        : `virsh detach-interface ${shellWord(owner)} bridge --mac ${nic.mac} --config --live`;
    return [failed(`${whose} is plugged into ${wan} too`, [`${link.name} is a port of it`], fix)];
  });
}
