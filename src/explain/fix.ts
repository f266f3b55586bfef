import { formatAddress } from "../base/address.ts";
import type { Answer, Followed } from "./answer.ts";
import { fixForeignRule } from "./fix-foreign-rule.ts";
import { fixOwnRule } from "./fix-own-rule.ts";
import { fixRoute } from "./fix-route.ts";
import { guestKey, guestWord } from "./guest-word.ts";
import type { Knowledge } from "./knowledge.ts";
import type { Loss } from "./loss.ts";
import type { Question } from "./question.ts";
import { nameQueue, queueOf } from "./queue.ts";
import { macBits } from "./read-host.ts";
import { fixPending } from "./shadowed.ts";
import { ownerOf } from "./table-owner.ts";
import type { Ground, Missing } from "./walk.ts";

type Of<Why extends Loss["why"]> = Extract<Loss, { readonly why: Why }>;

/** The one thing to do so that it arrives: a command, or a line of the policy. Undefined for what arrives. */
export function fixOf(
  ground: Ground,
  question: Question,
  { followed, knowledge }: { followed: Followed; knowledge: Knowledge },
): string | undefined {
  const { answer, end, fate } = followed;
  switch (answer.verdict) {
    case "delivered":
      return undefined;
    case "lost":
      return fate?.kind === "lost"
        ? fixLoss(ground, question, { ...fate, answer, knowledge })
        : undefined;
    case "nobody listens":
      return fixSilence(question, answer.rewritten, knowledge);
    case "dropped":
    case "rejected": {
      const last = end?.state.trail.at(-1);
      if (end === undefined || last === undefined) return undefined;
      const queue = queueOf(last);
      if (queue !== undefined) return `start the program that takes ${nameQueue(queue)}`;
      const stop = { ground, question, knowledge, packet: end.state.packet, last, answer };
      const trail = end.state.trail;
      return ownerOf(last.table, last.chain) === "virtwall"
        ? fixOwnRule({ ...stop, trail })
        : fixForeignRule({ ...stop, trail });
    }
    default:
      return fate?.kind === "unknown" ? fixDoubt(question, fate.missing) : undefined;
  }
}

function fixLoss(
  ground: Ground,
  question: Question,
  { loss, answer, knowledge }: { loss: Loss; answer: Answer; knowledge: Knowledge },
): string {
  switch (loss.why) {
    case "beside macvtap":
      return fixMacvtap(ground, loss, knowledge);
    case "silent":
      return fixSilent(ground, question, { loss, answer, knowledge });
    case "past the host":
      return fixHairpin(question, answer.rewritten, knowledge);
    default:
      return fixRoute(ground, question, { loss, way: answer.way });
  }
}

/** As libvirt's wiki has it ("Guest can reach outside network, but can't reach host (macvtap)"): by a second nic on a network. */
function fixMacvtap(
  { host }: Ground,
  { macvtap }: Of<"beside macvtap">,
  { nics }: Knowledge,
): string {
  const mac = host.interfaces.get(macvtap)?.mac;
  const guest = nics.find((nic) => macBits(nic.mac) === mac)?.guest;
  return `virsh attach-interface ${guestWord(guest)} network NETWORK --model virtio --live --config`;
}

/** Of a guest that has another address by now, that; else a publication, which follows the guest. */
function fixSilent(
  { host }: Ground,
  question: Question,
  {
    loss: { address, dev },
    answer: { rewritten },
    knowledge,
  }: { loss: Of<"silent">; answer: Answer; knowledge: Knowledge },
): string {
  const nic = knowledge.nics.find(({ addresses }) => addresses.includes(address));
  if (nic !== undefined) {
    const known = host.heardOf(dev, macBits(nic.mac) ?? 0n);
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

function fixDoubt({ from, family }: Question, missing: Missing | undefined): string | undefined {
  switch (missing) {
    case "interface":
      return "say the interface: --in IFACE";
    case "port": {
      const who = typeof from === "bigint" ? formatAddress(family, from) : "GUEST";
      return `let it send something first, so that the bridge learns where it is: ping ${who}`;
    }
    default:
      return undefined;
  }
}
