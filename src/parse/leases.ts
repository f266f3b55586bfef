import { z } from "zod";
import { parseAddress } from "../base/address.ts";
import { parseInterfaceName } from "../base/interface-name.ts";
import { parseMac } from "../base/mac.ts";
import { quote } from "../base/quote.ts";
import { capProblems } from "../model/problem-list.ts";
import { readJson } from "./json.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import type { Lease } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import type { SourceText } from "../model/source-text.ts";

const maxLength = 16 * 1024 * 1024;

/** Of what libvirt_leaseshelper writes; the guest's own word, its host name, is not looked at. An IPv6 lease has no `mac-address` where dnsmasq did not learn it. */
const entrySchema = z.object({
  "ip-address": z.string(),
  "mac-address": z.string().optional(),
  "expiry-time": z.number().optional(),
});

/**
 * A file `BRIDGE.status` of libvirt's dnsmasq helper: leases of one bridge, told by the file's name. Of two leases of one address the later
 * in the file holds. Problems are warnings: lease entries hold what tenants send.
 */
export function parseLeases(source: SourceText): { leases: Lease[]; problems: Problem[] } {
  const at = { file: source.file, line: 1, column: 1 };
  const fail = (code: string, message: string) => ({
    leases: [],
    problems: [{ code, severity: "warning", at, message } as const],
  });
  const base = source.file.slice(source.file.lastIndexOf("/") + 1);
  const bridge = parseInterfaceName(base.replace(/\.status$/, ""));
  if (bridge === undefined)
    return fail("BAD_LEASE_FILE", `${quote(base)} is not named for a bridge`);
  if (source.unread !== undefined)
    return fail("BAD_LEASE_FILE", `the file cannot be read: ${source.unread}`);
  if (source.text.length > maxLength) return fail("BAD_LEASE_FILE", "the file is too large");
  if (source.text.trim() === "") return { leases: [], problems: [] };
  const entries = readJson(source.text);
  if (!Array.isArray(entries)) return fail("BAD_LEASE_FILE", "the file is not a JSON array");
  const leases = new Map<string, Lease>();
  const problems: Problem[] = [];
  for (const [index, entry] of entries.entries()) {
    const lease = leaseOf(entry, bridge);
    if (lease === "bad") {
      const message = `lease ${index + 1} is left out: it has no valid address or MAC address`;
      problems.push({ code: "BAD_LEASE", severity: "warning", at, message });
    } else if (lease !== "without MAC") {
      leases.set(lease.address, lease);
    }
  }
  return { leases: [...leases.values()], problems: capProblems(problems) };
}

function leaseOf(entry: unknown, bridge: InterfaceName): Lease | "bad" | "without MAC" {
  const parsed = entrySchema.safeParse(entry);
  if (!parsed.success) return "bad";
  const { "expiry-time": expires = 0, "mac-address": macText } = parsed.data;
  const address = parseAddress(parsed.data["ip-address"]);
  if (address === undefined) return "bad";
  if (macText === undefined) return "without MAC";
  const mac = parseMac(macText);
  return mac === undefined ? "bad" : { mac, address, bridge, expires };
}
