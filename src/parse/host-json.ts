import { z } from "zod";
import { parseAddress } from "../base/address.ts";
import { parseInterfaceName } from "../base/interface-name.ts";
import { quote } from "../base/quote.ts";
import { readJson } from "./json.ts";
import type { HostInterface } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import type { SourceText } from "../model/source-text.ts";

const hostSchema = z.array(
  z.object({
    name: z.string(),
    addresses: z.array(z.string()),
    hasDefaultRoute: z.boolean(),
    master: z.string().optional(),
    kind: z.string().optional(),
  }),
);

/** `host.json`: interfaces of a host that is not the one we run on. */
export function parseHost(source: SourceText): {
  interfaces: HostInterface[];
  problems: Problem[];
} {
  const at = { file: source.file, line: 1, column: 1 };
  const problems: Problem[] = [];
  const report = (message: string) => {
    problems.push({ code: "BAD_HOST", severity: "error", at, message });
  };
  const parsed = hostSchema.safeParse(readJson(source.text));
  if (!parsed.success) {
    report("the file is not a JSON array of interfaces with name, addresses and hasDefaultRoute");
    return { interfaces: [], problems };
  }
  const interfaces = parsed.data.flatMap((entry): HostInterface[] => {
    const name = parseInterfaceName(entry.name);
    const master = entry.master === undefined ? undefined : parseInterfaceName(entry.master);
    if (name === undefined || (entry.master !== undefined && master === undefined)) {
      report(`${quote(entry.name)} or its master has no usable interface name`);
      return [];
    }
    const addresses = entry.addresses.flatMap((text) => {
      const address = parseAddress(text);
      if (address === undefined) report(`${quote(text)} of ${name} is not an address`);
      return address ?? [];
    });
    return [
      {
        name,
        addresses,
        hasDefaultRoute: entry.hasDefaultRoute,
        ...(master === undefined ? {} : { master }),
        ...(entry.kind === undefined ? {} : { kind: entry.kind }),
      },
    ];
  });
  return { interfaces, problems };
}
