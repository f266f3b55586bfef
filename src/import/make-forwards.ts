import { parseAddress, parsePrefix, type Address, type Prefix } from "../base/address.ts";
import { parsePortRange, portProtocols, type PortProtocol, type PortRange } from "../base/port.ts";
import type { Place } from "../model/problem.ts";
import type { Forward, Read } from "./forward.ts";

/** The parts of a forward as texts. */
export interface ForwardParts {
  readonly at: Place;
  readonly guest?: string | undefined;
  readonly protocol?: string | undefined;
  readonly address?: string | undefined;
  readonly interface?: string | undefined;
  readonly from?: string | undefined;
  /** `80` or `5000-5010`, each a forward of its own. */
  readonly ports: readonly string[];
  /** `10.0.0.2`, `10.0.0.2:80`, `[fd00::2]:80`, `10.0.0.2:5000-5010` */
  readonly destination: string;
}

/** The forwards that these parts mean, or why there is no publication that does the same. */
export function makeForwards(parts: ForwardParts): Read<readonly Forward[]> {
  const ends = readEnds(parts);
  if ("reason" in ends) return ends;
  const { protocol, target, address, from } = ends.value;
  const forwards: Forward[] = [];
  for (const text of parts.ports) {
    const range = parsePortRange(text);
    if (range === undefined) return { reason: `${text} is no port or range of ports` };
    const guestPorts = target.ports ?? range;
    if (guestPorts.last - guestPorts.first !== range.last - range.first) {
      return {
        reason: "a publication leads each port to one of its own: ranges of the same length",
      };
    }
    forwards.push({
      at: parts.at,
      ...(parts.guest !== undefined && { guest: parts.guest }),
      ...(parts.interface !== undefined && { interface: parts.interface }),
      ...(address !== undefined && { address }),
      ...(from !== undefined && { from }),
      protocol,
      public: range,
      guestPorts,
      guestAddress: target.address,
    });
  }
  return forwards.length > 0 ? { value: forwards } : { reason: "it forwards every port" };
}

interface Ends {
  readonly protocol: PortProtocol;
  readonly target: Target;
  readonly address: Address | undefined;
  readonly from: Prefix | undefined;
}

interface Target {
  readonly address: Address;
  readonly ports?: PortRange;
}

function readEnds(parts: ForwardParts): Read<Ends> {
  const protocol = portProtocols.find((known) => known === parts.protocol);
  if (protocol === undefined) {
    const which = parts.protocol === undefined ? "every protocol" : parts.protocol;
    return {
      reason: `it forwards ${which}, and publications are of ${portProtocols.join(" or ")}`,
    };
  }
  const target = readTarget(parts.destination);
  if (target === undefined)
    return { reason: `it leads to ${parts.destination}, which is not one address` };
  const address = parts.address === undefined ? undefined : readHost(parts.address);
  if (parts.address !== undefined && address === undefined) {
    return { reason: `${parts.address} is not one address` };
  }
  const from = parts.from === undefined ? undefined : readPrefix(parts.from);
  if (parts.from !== undefined && from === undefined) {
    return { reason: `${parts.from} is no address or prefix` };
  }
  return { value: { protocol, target, address, from } };
}

function readTarget(text: string): Target | undefined {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([0-9.]+))(?::([0-9]+(?:-[0-9]+)?))?$/.exec(text);
  const address = parseAddress(match?.[1] ?? match?.[2] ?? text);
  if (address === undefined) return undefined;
  if (match?.[3] === undefined) return { address };
  const ports = parsePortRange(match[3]);
  return ports && { address, ports };
}

/** `203.0.113.7` or `203.0.113.7/32`. */
function readHost(text: string): Address | undefined {
  return parseAddress(text.replace(text.includes(":") ? /\/128$/ : /\/32$/, ""));
}

function readPrefix(text: string): Prefix | undefined {
  const width = text.includes(":") ? 128 : 32;
  return parsePrefix(text.includes("/") ? text : `${text}/${width}`);
}
