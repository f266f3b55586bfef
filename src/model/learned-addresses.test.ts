import { describe, expect, test } from "vitest";
import { parseAddress, type Address } from "../base/address.ts";
import { parseInterfaceName } from "../base/interface-name.ts";
import { parseMac } from "../base/mac.ts";
import type { Inventory } from "./inventory.ts";
import { learnedAddresses } from "./learned-addresses.ts";
import type { Policy } from "./policy.ts";

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("bad sample");
  return value;
}
const at = { file: "web.xml", line: 1, column: 1 };
const address = (text: string): Address => must(parseAddress(text));
const mac = (last: number) => must(parseMac(`52:54:00:00:00:0${last}`));
const bridge = must(parseInterfaceName("virbr0"));
const nic = (last: number) => ({ mac: mac(last), network: "default", bridge, at });
const guest = (number: number) => ({
  name: `g${number}`,
  uuid: `${number}`,
  nics: [nic(number)],
  at,
});

const policy: Policy = {
  host: { integration: "auto", mark: 1, failsafe: [], topology: "host", at },
  aliases: new Map(),
  groups: new Map(),
  networks: new Map(),
  guests: new Map(),
};

const base: Inventory = {
  networks: [
    {
      name: "default",
      bridge,
      forward: "nat",
      subnets: [
        {
          prefix: { family: 4, address: address("10.0.0.0"), length: 24 },
          gateway: address("10.0.0.1"),
        },
      ],
      nat6: false,
      reservations: [],
      at,
    },
  ],
  guests: [guest(1), guest(2)],
  leases: [{ mac: mac(2), address: address("10.0.0.2"), bridge, expires: 0 }],
  host: {
    interfaces: [
      {
        name: must(parseInterfaceName("eth0")),
        addresses: [address("10.0.0.200")],
        hasDefaultRoute: true,
      },
    ],
  },
};

function learned(facts: { neighbours?: [number, string][]; agents?: [number, string][] }) {
  const inventory: Inventory = {
    ...base,
    neighbours: (facts.neighbours ?? []).map(([last, text]) => {
      return { bridge, mac: mac(last), address: address(text) };
    }),
    agentAddresses: (facts.agents ?? []).map(([number, text]) => {
      return { uuid: `${number}`, mac: mac(number), address: address(text) };
    }),
  };
  const { byNic, refused } = learnedAddresses(policy, inventory);
  return {
    first: byNic.get(must(inventory.guests[0]?.nics[0])),
    refused: refused.map(
      (claim) => `${claim.guest.name} ${claim.address} ${claim.rival?.guest.name ?? "host"}`,
    ),
  };
}

describe("what a guest says or shows of its addresses", () => {
  test("counts inside its network", () => {
    expect(learned({ neighbours: [[1, "10.0.0.9"]], agents: [[1, "10.0.0.8"]] })).toEqual({
      first: { agent: ["10.0.0.8"], neighbour: ["10.0.0.9"] },
      refused: [],
    });
  });

  test.each(["10.0.1.9", "169.254.3.4", "fe80::1", "198.51.100.7", "fd00::9"])(
    "does not count outside of it: %s",
    (text) => {
      expect(learned({ neighbours: [[1, text]], agents: [[1, text]] })).toEqual({
        first: undefined,
        refused: [],
      });
    },
  );

  test("is refused where it is the network's gateway or the host's own", () => {
    expect(
      learned({
        neighbours: [
          [1, "10.0.0.1"],
          [1, "10.0.0.200"],
        ],
      }),
    ).toEqual({
      first: undefined,
      refused: ["g1 10.0.0.1 host", "g1 10.0.0.200 host"],
    });
  });

  test("is refused where a lease says that it is another's", () => {
    expect(learned({ neighbours: [[1, "10.0.0.2"]] }).refused).toEqual(["g1 10.0.0.2 g2"]);
  });

  test("is nobody's where two claim it, wherever from", () => {
    expect(learned({ neighbours: [[1, "10.0.0.9"]], agents: [[2, "10.0.0.9"]] })).toEqual({
      first: undefined,
      refused: ["g1 10.0.0.9 g2", "g2 10.0.0.9 g1"],
    });
  });
});
