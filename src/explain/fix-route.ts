import { type Family, formatAddress } from "../base/address.ts";
import type { Answer } from "./answer.ts";
import type { Loss } from "./loss.ts";
import type { Question } from "./question.ts";
import type { Ground } from "./walk.ts";

/** What mends a way that routing does not go. */
export function fixRoute(
  ground: Ground,
  question: Question,
  { loss, way }: { loss: Loss; way: Answer["way"] },
): string {
  const { family } = question;
  switch (loss.why) {
    case "not forwarded":
      return fixForwarding(ground, family, loss.iif);
    case "wrong way back":
      return fixWayBack(question, loss);
    case "own source":
      return "give the sender an address of its own: the host has this one";
    case "detached":
      return `ip link set ${loss.tap} master ${loss.bridge}`;
    case "no route":
      return loss.deaf === undefined
        ? `ip ${inetOf(family)}route add ${destinationOf(question, way)} via ROUTER`
        : `sysctl -w net.ipv6.conf.${inDots(loss.deaf)}.accept_ra=2`;
    default: {
      const to = destinationOf(question, way);
      return `take the route away that says so: ip ${inetOf(family)}route get ${to}`;
    }
  }
}

function fixWayBack(
  { from }: Question,
  { iif, dev }: Extract<Loss, { readonly why: "wrong way back" }>,
): string {
  return dev === undefined && typeof from === "bigint"
    ? `ip route add ${formatAddress(4, from)} dev ${iif}`
    : `sysctl -w net.ipv4.conf.${inDots(iif)}.rp_filter=2`;
}

/** Of that way. */
function destinationOf({ from, to, family }: Question, way: Answer["way"]): string {
  const end = way === "back" ? from : to;
  return typeof end === "bigint" ? formatAddress(family, end) : "default";
}

/** Where sysctl's names have dots between them, those of a name are written as slashes (sysctl(8)). */
const inDots = (device: string): string => device.replaceAll(".", "/");

const inetOf = (family: Family): string => (family === 6 ? "-6 " : "");

/** Linux keeps one switch for all of IPv6. */
function fixForwarding({ host }: Ground, family: Family, device: string): string {
  if (family === 6) return "sysctl -w net.ipv6.conf.all.forwarding=1";
  const forwardsElsewhere = [...host.interfaces.keys()].some(
    (name) => name !== device && host.forwards(4, name),
  );
  return forwardsElsewhere
    ? `sysctl -w net.ipv4.conf.${inDots(device)}.forwarding=1`
    : "sysctl -w net.ipv4.ip_forward=1";
}
