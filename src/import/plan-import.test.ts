import { expect, test } from "vitest";
import type { Address } from "../base/address.ts";
import type { Mac } from "../base/mac.ts";
import type { GuestState } from "../model/state.ts";
import { parsePolicy } from "../parse/policy.ts";
import { planImport } from "./plan-import.ts";
import { readForwards } from "./read-forwards.ts";

const guest = (name: string, ...addresses: readonly string[]): GuestState => ({
  name,
  groups: [],
  nics: [
    {
      mac: "52:54:00:00:00:01" as Mac,
      addresses: addresses.map((address) => ({ address: address as Address, source: "lease" })),
    },
  ],
});
const site = { guests: [guest("web1", "10.20.0.11"), guest("mute")], uplinks: ["eth0"] };

function plan(text: string) {
  const found = readForwards({ file: "f", text });
  return planImport(found === undefined ? [] : [found], site);
}

const hook = (name: string, address: string, ports: string) =>
  `#!/bin/sh\nGUEST='${name}'\nPUBLIC_IP=203.0.113.7\nPRIVATE_IP=${address}\nPORTS=${ports}\n`;

const dnat = (rule: string) =>
  `*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING ${rule} -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.20.0.11\nCOMMIT\n`;

test("the policy publishes what was forwarded, in the policy's own words", () => {
  const { policy, notCarried } = plan(hook("web1", "10.20.0.11", "tcp:80,tcp:8443:443"));
  expect(notCarried).toEqual([]);
  expect(policy).toBe(`guests:
  "web1":
    publish:
      - { address: "203.0.113.7", ports: ["tcp/80", "tcp/8443:443"] }
`);
});

test("a rule without a name goes to the guest that has the address", () => {
  expect(plan(dnat("-d 203.0.113.7/32")).policy).toContain('"web1"');
});

test("a guest that nobody knows an address of gets the one of the source", () => {
  expect(plan(hook("mute", "10.20.0.77", "tcp:80")).policy).toContain(
    '      "52:54:00:00:00:01": { address: ["10.20.0.77"] }\n',
  );
});

test("where a guest's address is known, the source's does not count", () => {
  expect(plan(hook("web1", "10.20.0.77", "tcp:80")).policy).not.toContain("nics");
});

test("a guest that does not run is published by its name", () => {
  expect(plan(hook("asleep", "10.20.0.88", "tcp:80")).policy).toContain('"asleep"');
});

test("what leads to nobody known, or is for another interface than an uplink, is named", () => {
  const far = dnat("-d 203.0.113.7/32").replace("10.20.0.11", "10.99.0.1");
  expect(plan(far).notCarried.map(({ reason }) => reason)).toEqual([
    "no running guest has 10.99.0.1: start it, or name it by hand",
  ]);
  expect(plan(dnat("-i virbr9")).notCarried.map(({ reason }) => reason)).toEqual([
    "it is for what comes by virbr9, which is no uplink",
  ]);
});

test.each(["yes", "0x10", "a b", "a: b", "- {", "w'eb", "#x", "null", "1.0"])(
  "a guest named %j stays one name in the policy",
  (name) => {
    const text = JSON.stringify({ [name]: { private_ip: "10.20.0.11", port_map: { tcp: [80] } } });
    const { policy, problems } = parsePolicy([{ file: "p", text: plan(text).policy }]);
    expect(problems).toEqual([]);
    expect([...policy.guests.keys()]).toEqual([name]);
    expect(policy.guests.get(name)?.publish[0]?.ports).toHaveLength(1);
  },
);
