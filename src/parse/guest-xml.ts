import { append } from "../base/append.ts";
import { defined } from "../base/defined.ts";
import { parseInterfaceName } from "../base/interface-name.ts";
import { parseMac } from "../base/mac.ts";
import { quote } from "../base/quote.ts";
import { capProblems } from "../model/problem-list.ts";
import { parseFilterReference } from "./filter-xml.ts";
import { FilterReport } from "./filter-report.ts";
import { parseGuestMetadata } from "./guest-metadata.ts";
import { libvirtNameOf } from "./libvirt-name.ts";
import { parseXmlText } from "./xml.ts";
import type { Guest, Nic } from "../model/inventory.ts";
import type { Place, Problem } from "../model/problem.ts";
import { uuidPattern, type SourceText } from "../model/source-text.ts";
import type { Wanted, Xml } from "./xml.ts";

/** Types whose `<target dev>` is a tap that a bridge can carry; for `direct` it is a macvtap, for others nothing of the kernel's. */
const tapTypes: readonly string[] = ["network", "bridge", "ethernet"];
/** Most of live XML tells of disks, controllers and their addresses. */
const wanted: Wanted = {
  name: "whole",
  uuid: "whole",
  metadata: "whole",
  devices: { interface: "whole", channel: "whole" },
};

/**
 * Live XML of a guest. What makes no sense is left out, and a nic that is left out is unknown, so nothing passes it. Problems are
 * errors at a place in this text, so that whoever applies the rest knows which guest they are about.
 */
export function parseGuestXml(source: SourceText): {
  guest: Guest | undefined;
  problems: Problem[];
} {
  const parsed = parseXmlText(source, "domain", wanted);
  if ("fault" in parsed) {
    return leftOut("BAD_GUEST_XML", parsed.fault.at, parsed.fault.message);
  }
  const { root } = parsed;
  const name = libvirtNameOf(root);
  if (!name.ok) {
    return leftOut("BAD_GUEST_NAME", root.child("name")?.at ?? root.at, name.message);
  }
  const uuid = root.child("uuid");
  if (uuid !== undefined && !uuidPattern.test(uuid.text().toLowerCase())) {
    const message = `guest ${quote(name.value)}: ${quote(uuid.text())} is not a UUID`;
    return leftOut("BAD_GUEST_UUID", uuid.at, message);
  }
  const problems: Problem[] = [];
  const nics = (root.child("devices")?.children("interface") ?? []).flatMap(
    (xml) => nicOf(xml, name.value, problems) ?? [],
  );
  const metadata = parseGuestMetadata(root.child("metadata"), name.value);
  append(problems, metadata.problems);
  const guest = defined({
    name: name.value,
    uuid: uuid?.text().toLowerCase() ?? "",
    id: idOf(root),
    nics,
    own: metadata.own,
    hasAgent: hasAgent(root) || undefined,
    at: root.at,
  });
  return { guest, problems: capProblems(problems) };
}

function idOf(root: Xml): number | undefined {
  const id = root.attribute("id") ?? "";
  return /^\d{1,10}$/.test(id) ? Number(id) : undefined;
}

/** Live XML tells whether the agent holds its end of the channel open (virDomainChrTargetDefFormat, libvirt 9.0). */
function hasAgent(root: Xml): boolean {
  const channels = root.child("devices")?.children("channel") ?? [];
  return channels.some((channel) => {
    const target = channel.child("target");
    return (
      target?.attribute("name") === "org.qemu.guest_agent.0" &&
      target.attribute("state") === "connected"
    );
  });
}

function nicOf(xml: Xml, guest: string, problems: Problem[]): Nic | undefined {
  const leave = (code: string, at: Place, reason: string) => {
    const message = `a nic of guest ${quote(guest)} is left out: ${reason}`;
    problems.push({ code, severity: "error", at, message });
    return undefined;
  };
  const macWord = wordOf(xml, "mac", "address");
  const mac = parseMac(macWord.text ?? "");
  if (mac === undefined) {
    return leave("BAD_MAC", macWord.at, `${quote(macWord.text ?? "")} is not a MAC address`);
  }
  const hasTap = tapTypes.includes(xml.attribute("type") ?? "");
  const tapWord = hasTap ? wordOf(xml, "target", "dev") : { text: undefined, at: xml.at };
  const bridgeWord = wordOf(xml, "source", "bridge");
  const bad = [tapWord, bridgeWord].find(
    ({ text }) => text !== undefined && parseInterfaceName(text) === undefined,
  );
  if (bad !== undefined) {
    const reason = `${quote(bad.text ?? "")} is no usable interface name`;
    return leave("BAD_INTERFACE_NAME", bad.at, reason);
  }
  return defined({
    mac,
    tap: tapWord.text === undefined ? undefined : parseInterfaceName(tapWord.text),
    network: wordOf(xml, "source", "network").text,
    bridge: bridgeWord.text === undefined ? undefined : parseInterfaceName(bridgeWord.text),
    offBridge: offBridgeOf(xml),
    lower: lowerOf(xml),
    hasPortSettings: hasPortSettings(xml) || undefined,
    filterRef: hasTap ? filterRefOf(xml) : undefined,
    at: xml.at,
  });
}

/** Live XML names the device also where a network has chosen it (virDomainActualNetDefContentsFormat, libvirt 9.0). */
function lowerOf(xml: Xml): Nic["lower"] {
  const source = xml.child("source");
  const device = source?.attribute("dev");
  if (xml.attribute("type") !== "direct" || device === undefined) return undefined;
  return defined({ device, mode: source?.attribute("mode") });
}

/** Why no bridge of the kernel's carries an `<interface>`. */
export function offBridgeOf(xml: Xml): string | undefined {
  const type = xml.attribute("type") ?? "";
  if (!tapTypes.includes(type)) return `a nic of type ${quote(type)} is on no bridge`;
  const isSwitched = xml.child("virtualport")?.attribute("type") === "openvswitch";
  return isSwitched ? "Open vSwitch carries it" : undefined;
}

/** libvirt has taken it and enforces it, so what it misreads is no matter of ours; of other types it passes it over. */
function filterRefOf(xml: Xml): Nic["filterRef"] {
  const element = xml.child("filterref");
  if (element === undefined) return undefined;
  const reference = parseFilterReference(element, new FilterReport({ isCompat: true }));
  if (reference === undefined) return undefined;
  const { filter, parameters, at } = reference;
  return { filter, parameters, at };
}

/** Live XML says at the nic what libvirt took from its network and port group (virDomainActualNetDefContentsFormat, libvirt 9.0). */
function hasPortSettings(xml: Xml): boolean {
  return (
    xml.child("port")?.attribute("isolated") === "yes" ||
    xml.child("vlan") !== undefined ||
    xml.child("virtualport") !== undefined ||
    xml.child("source")?.attribute("macTableManager") === "libvirt"
  );
}

/** An attribute of a child element, and the best place to speak of it. */
function wordOf(
  xml: Xml,
  child: string,
  attribute: string,
): { text: string | undefined; at: Place } {
  const element = xml.child(child);
  return { text: element?.attribute(attribute), at: element?.at ?? xml.at };
}

function leftOut(
  code: string,
  at: Place,
  message: string,
): { guest: undefined; problems: Problem[] } {
  return {
    guest: undefined,
    problems: [{ code, severity: "error", at, message: `a guest is left out: ${message}` }],
  };
}
