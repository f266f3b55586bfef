import { formatAddress } from "../base/address.ts";
import { type Answer, type Followed, pastHostReason } from "./answer.ts";
import { fixForeignRule } from "./fix-foreign-rule.ts";
import { fixOwnRule } from "./fix-own-rule.ts";
import { fixRoute } from "./fix-route.ts";
import { guestKey, guestWord } from "./guest-word.ts";
import { deafTo, silentOn } from "./next-hop.ts";
import type { Knowledge } from "./knowledge.ts";
import type { Question } from "./question.ts";
import { macBits } from "./read-host.ts";
import { fixPending } from "./shadowed.ts";
import { ownerOf } from "./table-owner.ts";
import type { Ground } from "./walk.ts";

/** The one thing to do so that it arrives: a command, or a line of the policy. Undefined for what arrives. */
export function fixOf(
  ground: Ground,
  question: Question,
  { followed, knowledge }: { followed: Followed; knowledge: Knowledge },
): string | undefined {
  const { answer, end } = followed;
  switch (answer.verdict) {
    case "delivered":
      return undefined;
    case "lost":
      if (answer.detail.includes(deafTo)) return fixMacvtap(ground, answer, knowledge);
      if (answer.detail.includes(silentOn))
        return fixSilent(ground, question, { answer, knowledge });
      return answer.detail.startsWith(pastHostReason)
        ? fixHairpin(question, answer.rewritten, knowledge)
        : fixRoute(ground, question, answer);
    case "nobody listens":
      return fixSilence(question, answer.rewritten, knowledge);
    case "dropped":
    case "rejected": {
      const last = end?.state.trail.at(-1);
      if (end === undefined || last === undefined) return undefined;
      const stop = { ground, question, knowledge, packet: end.state.packet, last, answer };
      const trail = end.state.trail;
      return ownerOf(last.table, last.chain) === "virtwall"
        ? fixOwnRule({ ...stop, trail })
        : fixForeignRule({ ...stop, trail });
    }
    default:
      return fixDoubt(question, answer.detail);
  }
}

/** As libvirt's wiki has it ("Guest can reach outside network, but can't reach host (macvtap)"): by a second nic on a network. */
function fixMacvtap({ host }: Ground, { detail }: Answer, { nics }: Knowledge): string {
  const [macvtap = ""] = detail.split(deafTo);
  const mac = host.interfaces.get(macvtap)?.mac;
  const guest = nics.find((nic) => macBits(nic.mac) === mac)?.guest;
  return `virsh attach-interface ${guestWord(guest)} network NETWORK --model virtio --live --config`;
}

/** Of a guest that has another address by now, that; else a publication, which follows the guest. */
function fixSilent(
  { host }: Ground,
  question: Question,
  { answer: { detail, rewritten }, knowledge }: { answer: Answer; knowledge: Knowledge },
): string {
  const [address = "", device = ""] = detail.split(` ${silentOn}`);
  const nic = knowledge.nics.find(({ addresses }) => addresses.includes(address));
  if (nic !== undefined) {
    const known = host.heardOf(device, macBits(nic.mac) ?? 0n);
    const present = known.find((each) => each.includes(":") === address.includes(":"));
    return present === undefined
      ? `virsh console ${guestWord(nic.guest)}`
      : `guests: { ${guestKey(nic.guest)}: { nics: { "${nic.mac}": { address: ${present} } } } }`;
  }
  return rewritten === undefined
    ? `switch on who has ${address}, or ask for another address`
    : fixHairpin(question, rewritten, knowledge);
}

/** virtwall's publications take the asker's address for the host's where both are on one bridge. */
function fixHairpin(
  { protocol, port = 0 }: Question,
  rewritten: Followed["answer"]["rewritten"],
  { nics }: Knowledge,
): string {
  const nic = nics.find(({ addresses }) => addresses.some((each) => each === rewritten?.address));
  const inside = rewritten?.port ?? port;
  const ports = inside === port ? String(port) : `${String(port)}:${String(inside)}`;
  return `virtwall publish add ${guestWord(nic?.guest)} ${protocol}/${ports}`;
}

/** A publication for that port that is not in force, or else the service itself. */
function fixSilence(
  question: Question,
  rewritten: Followed["answer"]["rewritten"],
  { publications, nics }: Knowledge,
): string {
  const port = rewritten?.port ?? question.port ?? 0;
  const service = `${question.protocol}/${String(port)}`;
  const published = publications.find(
    ({ protocol, first, last }) => protocol === question.protocol && first <= port && port <= last,
  );
  if (published === undefined) {
    return `start what is to listen at ${service}, or publish a guest's: virtwall publish add GUEST ${service}`;
  }
  const { guest, reason } = published;
  if (reason === undefined) return "virtwall apply";
  return fixPending(published, nics.find((each) => each.guest === guest)?.mac);
}

function fixDoubt({ from, family }: Question, detail: string): string | undefined {
  if (detail.includes("--in")) return "say the interface: --in IFACE";
  if (/port of|on \S+ (is|the|it)/.test(detail)) {
    const who = typeof from === "bigint" ? formatAddress(family, from) : "GUEST";
    return `let it send something first, so that the bridge learns where it is: ping ${who}`;
  }
  return undefined;
}
