import {
  familyOf,
  lengthOfNetmask,
  parseAddress,
  parseAddressRange,
  prefixOf,
} from "../base/address.ts";
import { defined } from "../base/defined.ts";
import { parseInterfaceName } from "../base/interface-name.ts";
import { parseMac } from "../base/mac.ts";
import { parsePortRange } from "../base/port.ts";
import { quote } from "../base/quote.ts";
import { capProblems } from "../model/problem-list.ts";
import { libvirtNameOf } from "./libvirt-name.ts";
import { parseXmlText } from "./xml.ts";
import type { Address } from "../base/address.ts";
import type { Network, Reservation, Subnet } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import type { SourceText } from "../model/source-text.ts";
import type { Xml } from "./xml.ts";

/**
 * Live XML of a libvirt network. What makes no sense is left out. Problems are errors at a place in this text, so that whoever
 * applies the rest knows which network they are about.
 */
export function parseNetworkXml(source: SourceText): {
  network: Network | undefined;
  problems: Problem[];
} {
  const parsed = parseXmlText(source, "network");
  if ("fault" in parsed) {
    return { network: undefined, problems: [networkProblem("BAD_NETWORK_XML", parsed.fault)] };
  }
  const { root } = parsed;
  const name = libvirtNameOf(root);
  if (!name.ok) {
    const at = root.child("name")?.at ?? root.at;
    return {
      network: undefined,
      problems: [networkProblem("BAD_NETWORK_NAME", { at, message: name.message })],
    };
  }
  const problems: Problem[] = [];
  const bridgeXml = root.child("bridge");
  const bridgeText = bridgeXml?.attribute("name");
  const bridge = bridgeText === undefined ? undefined : parseInterfaceName(bridgeText);
  if (bridgeXml !== undefined && bridgeText !== undefined && bridge === undefined) {
    const message = `network ${quote(name.value)} is left out: its bridge ${quote(bridgeText)} has no usable name`;
    return {
      network: undefined,
      problems: [networkProblem("BAD_INTERFACE_NAME", { at: bridgeXml.at, message })],
    };
  }
  const ips = root.children("ip");
  const network: Network = {
    name: name.value,
    ...defined({ bridge }),
    forward: forwardOf(root.child("forward")),
    ...defined({ forwardDevices: devicesOf(root.child("forward")) }),
    subnets: ips.flatMap((ip) => subnetOf(ip, problems) ?? []),
    ...natOf(root.child("forward")?.child("nat"), problems),
    reservations: ips.flatMap((ip) =>
      (ip.child("dhcp")?.children("host") ?? []).flatMap((host) => reservationOf(host) ?? []),
    ),
    ...(ips.some(servesDhcp4) && { hasDhcp: true as const }),
    at: root.at,
  };
  return { network, problems: capProblems(problems) };
}

/** A `<forward>` without a mode is nat (libvirt, formatnetwork). */
function forwardOf(forward: Xml | undefined): Network["forward"] {
  if (forward === undefined) return "isolated";
  const mode = forward.attribute("mode") ?? "nat";
  switch (mode) {
    case "nat":
    case "route":
    case "open":
    case "bridge":
      return mode;
    case "none":
      return "isolated";
    default:
      return "other";
  }
}

/** libvirt repeats the first `<interface>` as an attribute. */
function devicesOf(forward: Xml | undefined): string[] | undefined {
  const words = [forward, ...(forward?.children("interface") ?? [])].map((xml) =>
    xml?.attribute("dev"),
  );
  const names = words.filter((word) => word !== undefined);
  return names.length === 0 ? undefined : [...new Set(names)];
}

function servesDhcp4(ip: Xml): boolean {
  return ip.child("dhcp") !== undefined && ip.attribute("family") !== "ipv6";
}

function subnetOf(ip: Xml, problems: Problem[]): Subnet | undefined {
  const text = ip.attribute("address");
  const gateway = parseAddress(text ?? "");
  const length = gateway === undefined ? undefined : prefixLengthOf(ip, gateway);
  if (gateway === undefined || length === undefined) {
    const given = ip.attribute("netmask") ?? ip.attribute("prefix");
    const message =
      gateway === undefined
        ? `${quote(text ?? "")} is not an address: the subnet is left out`
        : `${quote(given ?? "")} is not a prefix length of ${gateway}: the subnet is left out`;
    problems.push(networkProblem("BAD_SUBNET", { at: ip.at, message }));
    return undefined;
  }
  return { prefix: prefixOf(gateway, length), gateway };
}

/** Without a length libvirt takes the IPv4 class, and 64 for IPv6 (virSocketAddrGetIPPrefix, libvirt 9.0). */
function prefixLengthOf(ip: Xml, gateway: Address): number | undefined {
  const netmask = ip.attribute("netmask");
  if (netmask !== undefined) return lengthOfNetmask(netmask);
  const prefix = ip.attribute("prefix");
  const width = familyOf(gateway) === 4 ? 32 : 128;
  if (prefix !== undefined) {
    return /^[0-9]{1,3}$/.test(prefix) && Number(prefix) <= width ? Number(prefix) : undefined;
  }
  if (width === 128) return 64;
  const first = Number(gateway.split(".")[0]);
  if (first < 128) return 8;
  if (first < 192) return 16;
  return first < 224 ? 24 : undefined;
}

function natOf(
  nat: Xml | undefined,
  problems: Problem[],
): Pick<Network, "nat6" | "natAddresses" | "natPorts"> {
  const report = (xml: Xml, what: string) => {
    const message = `the ${what} of <nat> make no range: they are left out`;
    problems.push(networkProblem("BAD_NAT", { at: xml.at, message }));
  };
  const address = nat?.child("address");
  const natAddresses = address && addressRangeOf(address);
  if (address !== undefined && natAddresses === undefined) report(address, "addresses");
  const port = nat?.child("port");
  const natPorts = port && parsePortRange(`${port.attribute("start")}-${port.attribute("end")}`);
  if (port !== undefined && natPorts === undefined) report(port, "ports");
  return defined({ nat6: nat?.attribute("ipv6") === "yes", natAddresses, natPorts });
}

/** libvirt takes IPv4 only here (network_conf.c, libvirt 11.3). */
function addressRangeOf(xml: Xml): Network["natAddresses"] {
  const range = parseAddressRange(`${xml.attribute("start")}-${xml.attribute("end")}`);
  return range && familyOf(range.first) === 4 ? range : undefined;
}

/** A `<host>` without an address only names a guest to dnsmasq. */
function reservationOf(host: Xml): Reservation | undefined {
  const address = parseAddress(host.attribute("ip") ?? "");
  if (address === undefined) return undefined;
  const mac = parseMac(host.attribute("mac") ?? "");
  return defined({ address, mac, name: host.attribute("name") });
}

function networkProblem(code: string, fault: Pick<Problem, "at" | "message">): Problem {
  return { code, severity: "error", at: fault.at, message: fault.message };
}
