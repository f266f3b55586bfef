import fc from "fast-check";
import { expect, test } from "vitest";
import { compile } from "../compile/compile.ts";
import { address, guest, inventory, lease, network, prefix } from "../compile/sample.fake.ts";
import { parsePolicy } from "../parse/policy.ts";
import { diffReach } from "./diff-reach.ts";
import { formatReachChange, type ReachChange } from "./reach-change.ts";
import type { Held } from "./reach-parties.ts";

const names = ["front", "dmz", "inner"];
const everybody = inventory({
  networks: names.map((name, third) =>
    network(name, {
      forward: "open",
      subnets: [
        { prefix: prefix(`10.${third}.0.0/24`), gateway: address(`10.${third}.0.1`) },
        { prefix: prefix(`fd00:${third}::/64`), gateway: address(`fd00:${third}::1`) },
      ],
    }),
  ),
  guests: names.map((name, index) => guest(index + 1, name)),
  leases: names.map((name, third) => lease(third + 1, `10.${third}.0.11`, `br-${name}`)),
});

const service = fc.constantFrom("tcp/80", "tcp/80-90", "udp/53-60", "udp", "icmp", "any", "tcp");
const peer = fc.constantFrom("admin", "group:a", "group:b", "192.0.2.0/24", "2001:db8::/32", "any");
const rules = fc.array(
  fc.record({
    verdict: fc.constantFrom("allow", "deny"),
    service,
    peer,
  }),
  { maxLength: 3 },
);
const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.array(arbitrary, { maxLength: 2 });

const policyText = fc
  .record({
    modes: fc.tuple(...names.map(() => fc.constantFrom("nat", "route", "isolated", "open"))),
    isolated: fc.boolean(),
    reach: fc.subarray(["dmz", "inner"]),
    admin: fc.constantFrom("198.51.100.0/25", "[198.51.100.0/24, '2001:db8:7::/48']"),
    ingress: fc.tuple(rules, rules),
    egress: fc.tuple(rules, rules),
    members: fc.tuple(...names.map(() => fc.subarray(["a", "b"]))),
    published: some(fc.tuple(fc.constantFrom("tcp/80", "tcp/8080-8089:80-89", "udp/60"), peer)),
    input: fc.option(some(fc.tuple(service, peer)), { nil: undefined }),
  })
  .map((drawn): string => {
    const list = (
      drawnRules: readonly { verdict: string; service: string; peer: string }[],
      end: string,
    ) =>
      drawnRules
        .map((one) => `{ ${one.verdict}: ${one.service}, ${end}: "${one.peer}" }`)
        .join(", ");
    const network = (name: string, index: number) =>
      `${name}: { mode: ${drawn.modes[index]}${index === 0 ? `, isolate: ${drawn.isolated}, reach: [${drawn.reach.join(", ")}]` : ""} }`;
    const group = (name: string, index: 0 | 1) =>
      `${name}: { ingress: [${list(drawn.ingress[index], "from")}], egress: [${list(drawn.egress[index], "to")}] }`;
    const publish = drawn.published.map(
      ([ports, from], index) =>
        `{ ports: "${ports}", address: 203.0.113.${index}, from: "${from}" }`,
    );
    const member = (index: number) =>
      `g${index + 1}: { groups: [${drawn.members[index]?.join(", ")}]${index === 0 ? `, publish: [${publish.join(", ")}]` : ""} }`;
    const input = drawn.input?.map(([what, from]) => `{ allow: ${what}, from: "${from}" }`);
    return [
      ...(input === undefined ? [] : [`host: { input: [${input.join(", ")}] }`]),
      `aliases: { admin: ${drawn.admin} }`,
      `networks: { ${names.map(network).join(", ")} }`,
      `groups: { ${group("a", 0)}, ${group("b", 1)} }`,
      `guests: { ${[0, 1, 2].map(member).join(", ")} }`,
    ].join("\n");
  });

function held(text: string): Held {
  const { policy, problems } = parsePolicy([{ file: "policy.yaml", text }]);
  expect(problems.filter(({ severity }) => severity === "error")).toEqual([]);
  return { inventory: everybody, compiled: compile(policy, everybody) };
}

/** What each change becomes when the sides change places. */
function inverted(flows: readonly ReachChange[]): readonly string[] {
  return flows
    .map(({ change, ...rest }) =>
      formatReachChange({ ...rest, change: change === "opens" ? "closes" : "opens" }),
    )
    .toSorted();
}

test("a policy that is compared with itself, written anew, opens and closes nothing", () => {
  fc.assert(
    fc.property(policyText, (text) => {
      expect(diffReach(held(text), held(`\n${text}\n`))).toEqual({ flows: [], filters: [] });
    }),
    { numRuns: 25 },
  );
});

test("what one way opens the other way closes", () => {
  fc.assert(
    fc.property(policyText, policyText, (before, after) => {
      const there = diffReach(held(before), held(after));
      const back = diffReach(held(after), held(before));
      expect(inverted(back.flows)).toEqual(there.flows.map(formatReachChange).toSorted());
    }),
    { numRuns: 25 },
  );
});
