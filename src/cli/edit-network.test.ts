import { parse } from "yaml";
import { expect, test } from "vitest";
import { addNetworkKeys, namesNetwork, removeNetworkKeys } from "./edit-network.ts";

const policy = `# the web servers
networks:
  dmz: { isolate: true }   # nobody meets
  default: # the old one
    reach: [dmz]
guests:
  web1: # nginx
    groups: [web]   # keep
`;
const nat = { mode: "nat", nat: { ports: "2000-3000", ipv6: false } };

test.each([
  [
    "a network in lines",
    "default",
    "    reach: [dmz]\n",
    "    reach: [dmz]\n    mode: nat\n    nat: { ports: 2000-3000, ipv6: false }\n",
  ],
  [
    "a network in braces",
    "dmz",
    "{ isolate: true }",
    "{ isolate: true, mode: nat, nat: { ports: 2000-3000, ipv6: false } }",
  ],
  [
    "a network that is not there yet",
    "lab",
    "    reach: [dmz]\n",
    "    reach: [dmz]\n  lab: { mode: nat, nat: { ports: 2000-3000, ipv6: false } }\n",
  ],
])("%s: the keys go in and out, and no other byte changes", (_name, network, before, after) => {
  const text = addNetworkKeys(policy, network, nat);
  expect(text).toBe(policy.replace(before, after));
  expect(removeNetworkKeys(text, network, nat)).toBe(policy);
});

test("the first of two adopted networks is given back, and the second stays as it was written", () => {
  const first = addNetworkKeys("guests: {  }  # none\n", "one", { mode: "nat" });
  const both = addNetworkKeys(first, "two", { mode: "route" });
  expect(removeNetworkKeys(both, "one", { mode: "nat" })).toBe(
    "guests: {  }  # none\nnetworks:\n  two: { mode: route }\n",
  );
});

test("a name that is not plain YAML is quoted", () => {
  const text = addNetworkKeys("networks:\n  a: { mode: nat }\n", "no: #x", { mode: "nat" });
  expect(parse(text)).toEqual({ networks: { a: { mode: "nat" }, "no: #x": { mode: "nat" } } });
});

test("a text without networks keeps every byte, and the network stands behind it", () => {
  const text = "guests:\n  web1:  {groups: [web] }   # keep";
  expect(addNetworkKeys(text, "default", { mode: "nat" })).toBe(
    `${text}\nnetworks:\n  default: { mode: nat }\n`,
  );
  expect(addNetworkKeys("# nothing yet\n", "default", { mode: "route" })).toBe(
    "# nothing yet\nnetworks:\n  default: { mode: route }\n",
  );
});

test.each([
  ["nothing", ""],
  ["networks without a value", "networks:\n"],
  ["a network without a value", "networks:\n  default:\n"],
  ["a nat without a value", "networks:\n  default: { nat: }\n"],
  ["another network", "networks:\n  dmz: { mode: route }\n"],
  ["a flow mapping", "{ networks: { dmz: {} } }"],
])("%s before: the keys stand there afterwards", (_name, text) => {
  const result = parse(addNetworkKeys(text, "default", nat)) as { networks: object };
  expect(result.networks).toMatchObject({ default: nat });
});

test("what was added is taken out again, and what is empty then", () => {
  const text = removeNetworkKeys(addNetworkKeys(policy, "default", nat), "default", nat);
  expect(parse(text)).toEqual(parse(policy));
  const alone = removeNetworkKeys("networks:\n  default: { mode: nat }\n", "default", nat);
  expect(parse(alone)).toEqual({});
});

test("what was written otherwise since then stays", () => {
  const text = "networks:\n  default: { mode: route, nat: { ports: 2000-3000 } }\n";
  expect(parse(removeNetworkKeys(text, "default", nat))).toEqual({
    networks: { default: { mode: "route" } },
  });
  expect(removeNetworkKeys(policy, "default", nat)).toBe(policy);
});

test("a network counts as named by its own key only", () => {
  expect(namesNetwork(policy, "default")).toBe(true);
  expect(namesNetwork(policy, "web1")).toBe(false);
  expect(namesNetwork("", "default")).toBe(false);
});
