import { formatPrefix, prefixContains, type Prefix } from "../base/address.ts";
import { quote } from "../base/quote.ts";
import type { Network } from "../model/inventory.ts";
import type { Examination, Finding } from "./examination.ts";
import type { Facts } from "./facts.ts";
import { shellWord } from "../base/shell-word.ts";

/** The same addresses behind two interfaces: the host reaches one of them, and the other is cut off. */
export const overlappingPrefixes: Examination<"routes" | "links" | "desired"> = {
  id: "overlapping-prefixes",
  needs: ["routes", "links", "desired"],
  examine(facts) {
    const { networks } = facts.desired.inventory;
    return networks.flatMap((network, index) =>
      network.subnets.flatMap(({ prefix }) =>
        [...ofNetworks(networks.slice(index + 1)), ...ofHost(facts, networks)]
          .filter((use) => use.device !== network.bridge && overlaps(use, prefix))
          .map((use) => finding(network, prefix, use)),
      ),
    );
  },
};

/** Somebody's use of a prefix, in words. */
interface Use {
  readonly prefix: Prefix;
  /** A wider route leaves the network what is its own: the longest prefix decides. */
  readonly isRoute?: true;
  readonly device: string | undefined;
  readonly words: string;
}

function ofNetworks(networks: readonly Network[]): readonly Use[] {
  return networks.flatMap(({ name, bridge, subnets }) =>
    subnets.map(({ prefix }) => ({
      prefix,
      device: bridge,
      words: `network ${quote(name)}: ${formatPrefix(prefix)}`,
    })),
  );
}

/** Addresses and routes of interfaces that are no network's. */
function ofHost(
  { links, routes }: Pick<Facts, "links" | "routes">,
  networks: readonly Network[],
): readonly Use[] {
  const bridges = new Set<string | undefined>(networks.map(({ bridge }) => bridge));
  const addresses = links.flatMap(({ name, addresses: own }) =>
    own.map(({ prefix }) => ({
      prefix,
      device: name,
      words: `ip address show ${name}: ${formatPrefix(prefix)}`,
    })),
  );
  const others = routes.flatMap(({ prefix, devices: [device], table, protocol }) =>
    prefix === undefined || table !== "main" || protocol === "kernel" || device === undefined
      ? []
      : [
          {
            prefix,
            isRoute: true as const,
            device,
            words: `ip route: ${formatPrefix(prefix)} dev ${device}`,
          },
        ],
  );
  return [...addresses, ...others].filter(({ device }) => !bridges.has(device));
}

/** Every link has fe80::/10. */
function overlaps({ prefix: used, isRoute }: Use, own: Prefix): boolean {
  const isInside = used.length >= own.length && prefixContains(own, used.address);
  const isAround = used.length < own.length && prefixContains(used, own.address);
  const isLinkLocal = used.address.startsWith("fe80:");
  return !isLinkLocal && (isInside || (isAround && !isRoute));
}

function finding({ name }: Network, prefix: Prefix, use: Use): Finding {
  return {
    severity: "error",
    message: `the addresses of network ${quote(name)}, ${formatPrefix(prefix)}, are in use behind another interface`,
    evidence: [use.words],
    fix: {
      text: `virsh net-edit ${shellWord(name)}: give it addresses that nobody has, and restart it`,
    },
  };
}
