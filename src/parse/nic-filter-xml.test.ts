import { expect, test } from "vitest";
import { nicElementsOf, withFilterRef, withoutFilterRef } from "./nic-filter-xml.ts";

const filterRef = `<filterref filter='clean-traffic'>
        <parameter name='IP' value='10.0.0.2'/>
        <parameter name='IP' value='10.0.0.3'/>
        <parameter name='CTRL_IP_LEARNING' value='dhcp'/>
      </filterref>`;
const filtered = `<interface type='bridge'>
      <mac address='52:54:00:00:00:01'/>
      <target dev='vnet0'/>
      ${filterRef}
      <alias name='net0'/>
    </interface>`;
const bare = filtered.replace(`\n      ${filterRef}`, "");
const guest = (...nics: readonly string[]) =>
  `<domain type='qemu' id='1'>\n  <name>g</name>\n  <devices>\n    ${nics.join("\n    ")}\n  </devices>\n</domain>\n`;

test("each nic is found as it stands there, with what libvirt was told of its filter", () => {
  const other = "<interface type='user'><mac address='52:54:00:00:00:02'/></interface>";
  const parameters = new Map([
    ["IP", ["10.0.0.2", "10.0.0.3"]],
    ["CTRL_IP_LEARNING", ["dhcp"]],
  ]);
  expect(nicElementsOf(guest(filtered, other))).toEqual([
    {
      mac: "52:54:00:00:00:01",
      xml: filtered,
      filterRef: { filter: "clean-traffic", parameters, xml: filterRef },
    },
    {
      mac: "52:54:00:00:00:02",
      xml: other,
      offBridge: "a nic of type 'user' is on no bridge",
    },
  ]);
});

test("without its filter a nic keeps every other byte", () => {
  expect(withoutFilterRef(filtered)).toBe(bare);
  expect(withoutFilterRef(bare)).toBe(bare);
});

test("a filter is put into a nic, in the place of another too", () => {
  for (const nic of [bare, filtered]) {
    const other = withFilterRef(nic, "<filterref filter='allow-arp'/>");
    const [found] = nicElementsOf(guest(other)) ?? [];
    expect(found?.filterRef?.filter).toBe("allow-arp");
    expect(withoutFilterRef(other)).toBe(bare);
  }
});

test("what is no guest as libvirt prints it is not understood", () => {
  expect(nicElementsOf("<network/>")).toBeUndefined();
  expect(nicElementsOf(`\uFEFF${guest(filtered)}`)).toBeUndefined();
});
