import { expect, test } from "vitest";
import { parseInventory } from "../parse/inventory.ts";
import { parsePolicy } from "../parse/policy.ts";
import { filteredTwice } from "./filtered-twice.ts";
import { ofEachGuest } from "./of-each-guest.ts";

const guest = `<domain><name>web1</name><devices>
<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><target dev='vnet0'/>
<filterref filter='clean-traffic'/></interface>
</devices></domain>`;

function breaches(policyText: string) {
  const guests = [{ file: "web1.xml", text: guest }];
  const { inventory } = parseInventory({ networks: [], guests, leases: [] }, []);
  return ofEachGuest(filteredTwice)(
    parsePolicy([{ file: "p", text: policyText }]).policy,
    inventory,
  );
}

test("a filter of libvirt's alone is nobody's mistake", () => {
  expect(breaches("{}")).toEqual([]);
});

test("a nic that libvirt and virtwall both filter is told, where libvirt's stands", () => {
  expect(breaches("guests: { web1: { filter: allow-arp } }")).toEqual([
    {
      code: "FILTERED_TWICE",
      severity: "warning",
      at: { file: "web1.xml", line: 3, column: 1 },
      message:
        "nic 52:54:00:00:00:01 of guest 'web1': virtwall binds it to 'allow-arp', and libvirt enforces 'clean-traffic' too",
      hint: "virtwall nwfilter adopt 'web1' moves libvirt's to virtwall",
    },
  ]);
});
