import { expect, test } from "vitest";
import { readTables } from "../nft/read.ts";
import { readLearned } from "./read-learned.ts";

/** As nft 1.0.6 lists it: a tap that is gone is a number. */
const listing = {
  nftables: [
    { table: { family: "bridge", name: "virtwall", handle: 1 } },
    {
      set: {
        family: "bridge",
        name: "learned4",
        table: "virtwall",
        type: ["iface_index", "integer"],
        elem: [{ concat: ["vnet0", 167772162] }, { concat: ["3", 167772163] }],
      },
    },
    {
      set: {
        family: "bridge",
        name: "learned6",
        table: "virtwall",
        type: ["iface_index", "ipv6_addr"],
        elem: [{ concat: ["vnet0", "fe80::1"] }],
      },
    },
  ],
};

test("what the kernel has learned is read by tap, of both families", () => {
  const learned = readLearned(readTables(listing));
  expect(learned.get("vnet0")).toEqual(["10.0.0.2", "fe80::1"]);
});
