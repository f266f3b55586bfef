import { type Family, formatAddress } from "../base/address.ts";
import type { Answer } from "./answer.ts";
import type { Question } from "./question.ts";
import { unheardOn } from "./read-host.ts";
import { noRoute } from "./routes.ts";
import type { Ground } from "./walk.ts";

/** What mends a way that routing does not go, by the reason it gives. */
export function fixRoute(
  ground: Ground,
  question: Question,
  { detail: reason, way }: Pick<Answer, "detail" | "way">,
): string | undefined {
  const { family } = question;
  const forwarding = /^the host forwards nothing from (\S+)$/.exec(reason);
  if (forwarding !== null) return fixForwarding(ground, family, forwarding[1] ?? "");
  const filtered = /^rp_filter of (\S+): (.*)$/.exec(reason);
  if (filtered !== null) {
    const [, device = "", why = ""] = filtered;
    const source = typeof question.from === "bigint" ? question.from : undefined;
    return why.startsWith("there is no way back") && source !== undefined
      ? `ip route add ${formatAddress(family, source)} dev ${device}`
      : `sysctl -w net.ipv4.conf.${inDots(device)}.rp_filter=2`;
  }
  if (reason === "its source is the host's own address") {
    return "give the sender an address of its own: the host has this one";
  }
  const detached = /^(\S+) is no port of (\S+)$/.exec(reason);
  if (detached !== null) {
    return `ip link set ${detached[1] ?? ""} master ${detached[2] ?? ""}`;
  }
  const to = destinationOf(question, way);
  const [, deaf] = reason.split(unheardOn);
  if (deaf !== undefined) return `sysctl -w net.ipv6.conf.${inDots(deaf)}.accept_ra=2`;
  if (reason === noRoute) return `ip ${inetOf(family)}route add ${to} via ROUTER`;
  return `take the route away that says so: ip ${inetOf(family)}route get ${to}`;
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
