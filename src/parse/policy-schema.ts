import { z } from "zod";
import { quote } from "../base/quote.ts";
import {
  parseAddressRangeWord,
  parseAddressWord,
  parseInterfaceWord,
  parseLibvirtName,
  parseLimit,
  parseMacWord,
  parseMapping,
  parseNetwork,
  parseOwnName,
  parseParameterName,
  parseParameterValue,
  parsePeer,
  parsePortsWord,
  parseService,
} from "./words.ts";
import type { Parsed } from "./parsed.ts";

const port = "[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?";

const address = word(parseAddressWord, { examples: ["203.0.113.10", "2001:db8::10"] });
const addressRange = word(parseAddressRangeWord, {
  examples: ["203.0.113.7", "203.0.113.7-203.0.113.9", "2001:db8::10"],
});
const network = word(parseNetwork, { examples: ["198.51.100.0/24", "2001:db8::/32"] });
const service = word(parseService, {
  pattern: `^(any|icmp|(tcp|udp)(/${port})?)$`,
  examples: ["tcp/80", "udp/5000-5010", "tcp", "icmp", "any"],
});
const mapping = word(parseMapping, {
  pattern: `^(tcp|udp)/${port}(:${port})?$`,
  examples: ["tcp/80", "tcp/2222:22", "udp/5000-5010:6000-6010"],
});
const peer = word(parsePeer, {
  examples: ["any", "host", "admin", "group:web", "198.51.100.0/24"],
});
const ports = word(parsePortsWord, { pattern: `^${port}$`, examples: ["1024-65535"] });
const limit = word(parseLimit, {
  pattern: "^[1-9][0-9]{0,6}/(second|minute|hour|day)$",
  examples: ["10/minute"],
});
const interfaceName = word(parseInterfaceWord, {
  pattern: "^[A-Za-z0-9_.@+-]{1,15}$",
  examples: ["eth0"],
});
const ownName = name(parseOwnName, { pattern: "^[A-Za-z][A-Za-z0-9_-]{0,19}$", examples: ["web"] });
const libvirtName = name(parseLibvirtName, { pattern: "^[^/\\n\\u0000]+$", examples: ["web1"] });
const macMeta = {
  pattern: "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$",
  examples: ["52:54:00:12:34:56"],
};
const mac = word(parseMacWord, macMeta);
const plainText = z.string();

const mark = z
  .union([z.number(), z.string()])
  .superRefine((value, context) => {
    const number =
      typeof value === "string" && /^0x[0-9a-f]{1,8}$/i.test(value) ? Number(value) : value;
    if (typeof number === "number" && isOneBit(number)) return;
    context.addIssue({
      code: "custom",
      message: "the mark is one bit of 32",
      params: { hint: "write it like 0x10000000" },
    });
  })
  .describe("The bit of the packet mark that carries virtwall's verdict.");

const ruleShape = {
  allow: oneOrMany(service).describe("Services that may be reached.").optional(),
  deny: oneOrMany(service).describe("Services that may not; wins over every allow.").optional(),
  log: z.boolean().describe("Log new connections that match.").optional(),
  limit: limit.describe("New connections beyond it do not match.").optional(),
};
const ruleMeta = { oneOf: [{ required: ["allow"] }, { required: ["deny"] }] };

const ingressRule = z
  .strictObject({
    ...ruleShape,
    from: oneOrMany(peer).describe("Who may connect; absent: anybody.").optional(),
  })
  .superRefine(hasOneVerdict)
  .meta(ruleMeta);
const hostRule = z
  .strictObject({
    ...ruleShape,
    from: oneOrMany(peer).describe("Who may connect; absent: anybody.").optional(),
    on: oneOrMany(libvirtName)
      .describe("Networks and interfaces by which; absent: by any.")
      .optional(),
  })
  .superRefine(hasOneVerdict)
  .meta(ruleMeta);
const egressRule = z
  .strictObject({
    ...ruleShape,
    to: oneOrMany(peer).describe("Where to; absent: anywhere.").optional(),
  })
  .superRefine(hasOneVerdict)
  .meta(ruleMeta);

const host = z.strictObject({
  integration: z
    .enum(["auto", "print", "off"])
    .describe("Pass rules in other firewalls: put where needed, only shown, or none.")
    .optional(),
  mark: mark.optional(),
  uplinks: oneOrMany(interfaceName)
    .describe("Interfaces that face outside; absent: those with a default route.")
    .optional(),
  input: z
    .array(hostRule)
    .describe("What may reach the hypervisor itself; the rest may not. Absent: left alone.")
    .optional(),
  failsafe: oneOrMany(service).describe("Never cut by any apply.").optional(),
  topology: z.enum(["host", "firewall-vm"]).optional(),
  firewallVm: z
    .strictObject({
      guest: oneOrMany(libvirtName).describe("Who forwards; several stand in for each other."),
      wan: interfaceName.describe("The bridge of its nic on the WAN."),
      macs: oneOrMany(mac).describe("MAC addresses that they share (VRRP, CARP).").optional(),
    })
    .optional(),
});

const group = z.strictObject({
  ingress: z.array(ingressRule).nullable().optional(),
  egress: z.array(egressRule).nullable().optional(),
});

const networkPolicy = z.strictObject({
  mode: z.enum(["nat", "route", "isolated", "open"]).optional(),
  nat: z
    .strictObject({
      address: addressRange.optional(),
      ports: ports.optional(),
      ipv6: z.boolean().describe("Whether sources of IPv6 are rewritten too.").optional(),
    })
    .describe("Source address and ports of guests outside; absent: masquerade.")
    .nullable()
    .optional(),
  isolate: z.boolean().describe("Guests of this network do not reach each other.").optional(),
  reach: oneOrMany(libvirtName)
    .describe("Networks to which guests of this one may open connections.")
    .optional(),
  services: oneOrMany(service)
    .describe("Services of the hypervisor for these guests, beyond DHCP, DNS, TFTP and ICMP.")
    .optional(),
});

const parameterName = name(parseParameterName, {
  pattern: "^(?!MAC$)[A-Za-z0-9_]+$",
  examples: ["IP", "CTRL_IP_LEARNING"],
});
const parameterValue = word(parseParameterValue, {
  pattern: "^[A-Za-z0-9_.:]+$",
  examples: ["192.168.122.10"],
});
const parameters = z.record(
  parameterName,
  oneOrMany(z.union([parameterValue, z.number().transform(String), z.boolean().transform(String)])),
);

const nic = z.strictObject({
  address: oneOrMany(address).describe("The guest's address on this nic.").optional(),
  filter: plainText.optional(),
  parameters: parameters.nullable().optional(),
});

const publication = z.strictObject({
  address: address.describe("Absent: every address of the uplinks.").optional(),
  ports: oneOrMany(mapping).describe("PROTOCOL/PUBLIC[:GUEST]; ranges map one to one."),
  from: oneOrMany(peer).describe("Who may connect; absent: anybody.").optional(),
});

const guest = z.strictObject({
  publish: z.array(publication).nullable().optional(),
  groups: oneOrMany(ownName).nullable().optional(),
  filter: plainText.optional(),
  nics: z
    .record(name(parseMacWord, macMeta), nic.nullable())
    .superRefine(hasEachMacOnce)
    .nullable()
    .optional(),
  required: z
    .boolean()
    .describe("The guest may not start while virtwall cannot answer.")
    .optional(),
});

/** Guests by name. */
export const guestsSchema = z.record(libvirtName, guest.nullable());

/** The policy file. One definition: what parsePolicy takes and what policyJsonSchema tells editors. */
export const policySchema = z.strictObject({
  host: host.nullable().optional(),
  aliases: z.record(ownName, oneOrMany(network)).nullable().optional(),
  groups: z.record(ownName, group.nullable()).nullable().optional(),
  networks: z.record(libvirtName, networkPolicy.nullable()).nullable().optional(),
  guests: guestsSchema.nullable().optional(),
});

export type PolicyData = z.output<typeof policySchema>;

/** JSON Schema (2020-12) of one policy file, for editors. */
export function policyJsonSchema(): unknown {
  return {
    ...z.toJSONSchema(policySchema, { io: "input" }),
    title: "virtwall policy",
    description: "One file of a virtwall policy; files of a folder are merged.",
  };
}

export function isOneBit(value: number): boolean {
  return (
    Number.isInteger(value) &&
    value >= 1 &&
    value <= 0x80000000 &&
    Number.isInteger(Math.log2(value))
  );
}

function hasOneVerdict(
  rule: { allow?: unknown; deny?: unknown },
  context: { addIssue: (issue: { code: "custom"; message: string; params: object }) => void },
): void {
  if ((rule.allow === undefined) !== (rule.deny === undefined)) return;
  context.addIssue({
    code: "custom",
    message:
      rule.allow === undefined ? "a rule without 'allow' or 'deny'" : "both 'allow' and 'deny'",
    params: { hint: "one of them a rule, as in { allow: tcp/22 }" },
  });
}

/** YAML takes one address in large and in small letters for two keys, and one nic would lose what the other says of it. */
function hasEachMacOnce(
  nics: Readonly<Record<string, unknown>>,
  context: {
    addIssue: (issue: { code: "custom"; path: string[]; message: string; params: object }) => void;
  },
): void {
  const seen = new Map<string, string>();
  for (const key of Object.keys(nics)) {
    const first = seen.get(key.toLowerCase());
    seen.set(key.toLowerCase(), first ?? key);
    if (first === undefined) continue;
    const message = `${quote(key)} is given twice: it is ${quote(first)} in other letters`;
    const params = { hint: "put both into one entry" };
    context.addIssue({ code: "custom", path: [key], message, params });
  }
}

type WordMeta = { readonly pattern?: string; readonly examples: string[] };

/** What a word means. Where it stands is known to whoever builds the policy. */
function word<Meaning>(parse: (text: string) => Parsed<Meaning>, meta: WordMeta) {
  return z
    .string()
    .meta(meta)
    .transform((text, context) => {
      const parsed = parse(text);
      if (parsed.ok) return parsed.value;
      context.addIssue(issueOf(parsed));
      return z.NEVER;
    });
}

/** A name stays as it is written: by one that is a key, its place is found. */
function name(parse: (text: string) => Parsed<unknown>, meta: WordMeta) {
  return z
    .string()
    .superRefine((text, context) => {
      const parsed = parse(text);
      if (!parsed.ok) context.addIssue(issueOf(parsed));
    })
    .meta(meta);
}

/** It goes on, so that of a union the branch is told that took the word's type. */
function issueOf({ message, hint }: { readonly message: string; readonly hint?: string }) {
  return { code: "custom", message, params: { hint }, continue: true } as const;
}

/** Wherever a list is expected, its only element will do. */
function oneOrMany<Item extends z.ZodType>(item: Item) {
  return z.union([item, z.array(item)]);
}
