import { parseInterfaceName } from "../base/interface-name.ts";
import { parseMac } from "../base/mac.ts";
import { quote } from "../base/quote.ts";
import { capProblems } from "../model/problem-list.ts";
import { libvirtNameOf } from "./libvirt-name.ts";
import { parseXmlText } from "./xml.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import type { Guest, Nic } from "../model/inventory.ts";
import type { Place, Problem } from "../model/problem.ts";
import type { SourceText } from "../model/source-text.ts";
import type { Xml } from "./xml.ts";

/** Types whose `<target dev>` is a tap that a bridge can carry; for `direct` it is a macvtap, for others nothing of the kernel's. */
const tapTypes: readonly string[] = ["network", "bridge", "ethernet"];
const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Live XML of a guest. What makes no sense is left out, and a nic that is left out is unknown, so nothing passes it. Problems are
 * errors at a place in this text, so that whoever applies the rest knows which guest they are about.
 */
export function parseGuestXml(source: SourceText): {
  guest: Guest | undefined;
  problems: Problem[];
} {
  const parsed = parseXmlText(source, "domain");
  if ("fault" in parsed) {
    return leftOut("BAD_GUEST_XML", parsed.fault.at, parsed.fault.message);
  }
  const { root } = parsed;
  const name = libvirtNameOf(root);
  if (!name.ok) {
    return leftOut("BAD_GUEST_NAME", root.child("name")?.at ?? root.at, name.message);
  }
  const uuid = root.child("uuid");
  if (uuid !== undefined && !uuidPattern.test(uuid.text())) {
    const message = `guest ${quote(name.value)}: ${quote(uuid.text())} is not a UUID`;
    return leftOut("BAD_GUEST_UUID", uuid.at, message);
  }
  const problems: Problem[] = [];
  const nics = (root.child("devices")?.children("interface") ?? []).flatMap(
    (xml) => nicOf(xml, name.value, problems) ?? [],
  );
  const guest = {
    name: name.value,
    uuid: uuid?.text().toLowerCase() ?? "",
    nics,
    at: root.at,
  };
  return { guest, problems: capProblems(problems) };
}

function nicOf(xml: Xml, guest: string, problems: Problem[]): Nic | undefined {
  const leave = (code: string, at: Place, reason: string) => {
    const message = `a nic of guest ${quote(guest)} is left out: ${reason}`;
    problems.push({ code, severity: "error", at, message });
    return undefined;
  };
  const macXml = xml.child("mac");
  const macText = macXml?.attribute("address") ?? "";
  const mac = parseMac(macText);
  if (mac === undefined) {
    return leave("BAD_MAC", macXml?.at ?? xml.at, `${quote(macText)} is not a MAC address`);
  }
  const source = xml.child("source");
  const target = xml.child("target");
  const hasTap = tapTypes.includes(xml.attribute("type") ?? "");
  const tap = interfaceOf(hasTap ? target?.attribute("dev") : undefined);
  const bridge = interfaceOf(source?.attribute("bridge"));
  if (tap.bad !== undefined || bridge.bad !== undefined) {
    const at = (tap.bad === undefined ? source : target)?.at ?? xml.at;
    const name = tap.bad ?? bridge.bad ?? "";
    return leave("BAD_INTERFACE_NAME", at, `${quote(name)} is no usable interface name`);
  }
  const network = source?.attribute("network");
  return {
    mac,
    ...(tap.name === undefined ? {} : { tap: tap.name }),
    ...(network === undefined ? {} : { network }),
    ...(bridge.name === undefined ? {} : { bridge: bridge.name }),
    at: xml.at,
  };
}

function interfaceOf(text: string | undefined): { name?: InterfaceName; bad?: string } {
  if (text === undefined) return {};
  const name = parseInterfaceName(text);
  return name === undefined ? { bad: text } : { name };
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
