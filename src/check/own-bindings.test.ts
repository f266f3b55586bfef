import { describe, expect, test } from "vitest";
import { curtailed, effectivePolicy } from "../model/effective-policy.ts";
import { bindingOf } from "../model/filter-binding.ts";
import { parseInventory } from "../parse/inventory.ts";
import { parsePolicy } from "../parse/policy.ts";

const mac = "52:54:00:00:00:01";

/** What a nic is bound to by a policy file and by what its guest's own XML says of it, and what is wrong with that. */
function bind(fileText: string, own: string) {
  const { policy } = parsePolicy([{ file: "policy.yaml", text: `guests: { web1: ${fileText} }` }]);
  const words = `<guest xmlns="https://virtwall.dev/guest/1"><nics mac="${mac}">${own}</nics></guest>`;
  const nic = `<interface type="bridge"><mac address="${mac}"/><source bridge="br0"/><target dev="vnet1"/></interface>`;
  const text = `<domain><name>web1</name><metadata>${words}</metadata><devices>${nic}</devices></domain>`;
  const sources = { networks: [], guests: [{ file: "web1.xml", text }], leases: [] };
  const [guest] = parseInventory(sources, []).inventory.guests;
  if (guest?.own === undefined) throw new Error("the guest says nothing");
  const written = policy.guests.get("web1");
  const found = effectivePolicy(policy, [guest]);
  const left = { ...guest, own: curtailed(guest.own, written) };
  const [guestNic] = guest.nics;
  const binding = guestNic && bindingOf(found.policy, guest, guestNic);
  return {
    problems: found.problems.map(({ code, at, message }) => `${code} ${at.file}: ${message}`),
    problemsOfCurtailed: effectivePolicy(policy, [left]).problems,
    filter: binding?.filter,
    parameters: Object.fromEntries(binding?.parameters ?? []),
  };
}

const twice = (key: string, place: string) =>
  `DUPLICATE_KEY web1.xml: '${key}' of nic ${mac} of guest 'web1' is given twice: in its own XML and at ${place}`;

describe("a guest's own XML", () => {
  test("does not take the place of the filter that a file gives the whole guest", () => {
    expect(bind("{ filter: clean-traffic }", "<filter>allow-ipv4</filter>")).toEqual({
      problems: [twice("filter", "policy.yaml:1:19")],
      problemsOfCurtailed: [],
      filter: "clean-traffic",
      parameters: { MAC: [mac] },
    });
  });

  test("gives a filter no other addresses than a file says, and may give it the rest", () => {
    const file = `{ filter: clean-traffic, nics: { "${mac}": { address: 192.168.122.10 } } }`;
    const own =
      "<parameters><IP>192.168.122.1</IP><DHCPSERVER>192.168.122.2</DHCPSERVER></parameters>";
    expect(bind(file, own)).toEqual({
      problems: [twice("IP", "policy.yaml:1:73")],
      problemsOfCurtailed: [],
      filter: "clean-traffic",
      parameters: { MAC: [mac], IP: ["192.168.122.10"], DHCPSERVER: ["192.168.122.2"] },
    });
  });

  test("may bind a nic of which the files say nothing", () => {
    const { problems, filter, parameters } = bind(
      "{ required: true }",
      "<filter>clean-traffic</filter><parameters><IP>192.168.122.1</IP></parameters>",
    );
    expect({ problems, filter, ip: parameters["IP"] }).toEqual({
      problems: [],
      filter: "clean-traffic",
      ip: ["192.168.122.1"],
    });
  });
});
