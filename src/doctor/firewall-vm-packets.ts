import { familyOf, toBits, type Address } from "../base/address.ts";
import { quote } from "../base/quote.ts";
import { follow } from "../explain/answer.ts";
import type { Question } from "../explain/question.ts";
import type { Ground } from "../explain/walk.ts";
import type { FirewallIntent, NicAddress, NicIntent } from "../model/intent.ts";
import type { HostRule } from "../model/policy.ts";
import type { Desired } from "../reconcile/decide.ts";
import type { Examination, Finding } from "./examination.ts";
import type { InnerAnswer } from "./facts.ts";
import { failed, inFirewallVm } from "./firewall-vm-links.ts";
import { shellWord } from "../base/shell-word.ts";

/** The kernel holds what the policy asks for, to the last element. */
export const rulesAsDesired: Examination<"drift" | "desired"> = {
  id: "rules",
  needs: ["drift", "desired"],
  examine: (facts) =>
    inFirewallVm(facts, () => {
      const { drift } = facts;
      if (drift.length === 0) return [];
      const more = drift.length > 5 ? [`and ${drift.length - 5} more`] : [];
      const seen = [...drift.slice(0, 5), ...more];
      return [failed("the kernel does not hold the rules of the policy", seen, "virtwall apply")];
    }),
};

/** Packets that must end at this host, led through everybody's rules and routes as the kernel has them. */
export const packetsStopped: Examination<"ground" | "desired"> = {
  id: "packets",
  needs: ["ground", "desired"],
  examine: (facts) =>
    inFirewallVm(facts, () => {
      const { ground, desired } = facts;
      // As if somebody had turned forwarding on: that it is off another point proves.
      const forwarding = { ...ground, host: { ...ground.host, forwards: () => true } };
      return [
        ...toHost(desired).flatMap((probe) => ofProbe(ground, probe)),
        ...around(desired).flatMap((probe) => ofProbe(forwarding, probe)),
      ];
    }),
};

interface Probe {
  /** As one would ask `virtwall explain`. */
  readonly words: string;
  readonly question: Question;
}

/** By which interface the world comes: routes by source would leave that open. None where nothing leads there. */
function entries({ inventory }: Desired): string[] {
  const { interfaces } = inventory.host;
  return interfaces.filter(({ hasDefaultRoute }) => hasDefaultRoute).map(({ name }) => name);
}

/** A port that nobody opens, at each address of the host. */
function toHost(desired: Desired): Probe[] {
  const { policy, inventory } = desired;
  const port = closedPort(policy.host.input ?? []);
  if (port === undefined) return [];
  const addresses = new Set(inventory.host.interfaces.flatMap((each) => each.addresses));
  return [...addresses].flatMap((address) => fromWorld(address, port, desired));
}

function fromWorld(address: Address, port: number, desired: Desired): Probe[] {
  const end = familyOf(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
  return entries(desired).map((iif) => ({
    words: `tcp world ${end} --in ${iif}`,
    question: { ...ends("world", toBits(address)), family: familyOf(address), port, iif },
  }));
}

/** The highest that no rule names, if there is one. */
function closedPort(rules: readonly HostRule[]): number | undefined {
  const services = rules.flatMap((rule) => rule.services);
  const isNamed = (port: number) =>
    services.some((service) => {
      if (service.kind === "any") return true;
      if (service.protocol !== "tcp") return false;
      const { first, last } = service.kind === "ports" ? service.ports : { first: 1, last: 65535 };
      return first <= port && port <= last;
    });
  for (let port = 65535; port > 0; port -= 1) if (!isNamed(port)) return port;
  return undefined;
}

/** Between a guest and the world, past the firewall guest: one guest of each network. */
function around(desired: Desired): Probe[] {
  const { firewall, networks, nics } = desired.compiled.intent;
  return networks
    .filter(({ bridge }) => bridge !== firewall?.wan)
    .flatMap(({ bridge }) => {
      const behind = nics.filter(
        (nic) => nic.bridge === bridge && !firewall?.guests.includes(nic.guest),
      );
      return ([4, 6] as const).flatMap((family) => {
        const isOf = ({ address }: NicAddress) => familyOf(address) === family;
        const nic = behind.find(({ tap, addresses }) => tap !== undefined && addresses.some(isOf));
        const own = nic?.addresses.find(isOf)?.address;
        if (nic?.tap === undefined || own === undefined) return [];
        return [toWorld(own, nic.tap), ...fromWorld(own, 443, desired)];
      });
    });
}

/** What the guest hands to the host. */
function toWorld(own: Address, tap: string): Probe {
  return {
    words: `tcp ${own} world:443 --in ${tap}`,
    question: { ...ends(toBits(own), "world"), family: familyOf(own), port: 443, iif: tap },
  };
}

const ends = (from: Question["from"], to: Question["to"]) =>
  ({ protocol: "tcp", from, to }) as const;

function ofProbe(ground: Ground, { words, question }: Probe): Finding[] {
  const { verdict, detail, because } = follow(ground, question).answer;
  const seen = [`virtwall explain ${words}: ${verdict} ${because?.text ?? detail}`];
  if (verdict === "delivered" || verdict === "nobody listens") {
    return [failed("what must end at this host goes through", seen, "virtwall apply")];
  }
  if (verdict !== "unknown") return [];
  const message = "nobody can tell whether this ends at the host";
  return [failed(message, seen, `see what decides: virtwall explain ${words}`)];
}

/** The firewall guest is awake on the inner side. Whether it forwards only it can know. */
export const firewallAnswers: Examination<"answers" | "desired"> = {
  id: "firewall-answers",
  needs: ["answers", "desired"],
  examine(facts) {
    const { answers } = facts;
    if (answers.length === 0) return { reason: "no inner address of the firewall guest is known" };
    return inFirewallVm(facts, (firewall) => {
      const { nics } = facts.desired.compiled.intent;
      const own = nics.filter(({ guest }) => firewall.guests.includes(guest));
      return answers.flatMap((answer) => ofAnswer(answer, own, firewall));
    });
  },
};

/** Of an address that they share any of them answers, under what they share or under its own. */
function ofAnswer(
  { bridge, address, mac, answered }: InnerAnswer,
  own: readonly NicIntent[],
  { macs }: FirewallIntent,
): Finding[] {
  const holders = own.filter((nic) => nic.addresses.some((each) => each.address === address));
  const right: readonly string[] = [mac, ...holders.map((nic) => nic.mac), ...macs];
  if (answered !== undefined && right.includes(answered)) return [];
  const guest = own.find((nic) => nic.mac === mac)?.guest ?? "";
  const name = shellWord(guest);
  if (answered === undefined) {
    const message = `guest ${quote(guest)} does not answer for ${address}`;
    const fix = `look at it: virsh console ${name}; where it hangs: virsh reset ${name}`;
    return [failed(message, [`ip neigh show ${address} dev ${bridge}: nobody`], fix)];
  }
  const message = `somebody else than guest ${quote(guest)} answers for ${address}`;
  const seen = [`ip neigh show ${address} dev ${bridge}: ${answered}, and not ${mac}`];
  return [failed(message, seen, `give ${address} to ${quote(guest)} alone`)];
}
