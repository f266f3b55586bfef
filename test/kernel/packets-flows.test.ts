import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Table } from "../../src/nft/ast.ts";
import { diffTables } from "../../src/nft/diff.ts";
import { printRuleset } from "../../src/nft/print.ts";
import { caseFolder } from "../world/case-folders.ts";
import { tablesOfCase } from "../world/compile-case.ts";
import { loadRuleset, readHostFirewall } from "../world/host-firewall.ts";
import { readWorldSpec } from "../world/inventory-world.ts";
import { createWorld, type World } from "../world/world.ts";

/* What happens to flows while the ruleset changes under them. */

const { folder, inventory } = caseFolder("publish");
const published = `
networks: { front: { mode: nat }, dmz: { mode: route, reach: [front] }, inner: { mode: isolated } }
guests: { web1: { publish: [{ ports: [tcp/80, udp/9000] }] } }
`;
const closed = published.replace("publish: [{ ports: [tcp/80, udp/9000] }]", "publish: []");
const narrowed = published.replace("udp/9000] }", 'udp/9000], from: ["192.0.2.0/24"] }');
/** Beside what {@link published} says, new elements, rules and a chain. */
const crowded = published.replace(
  "guests: { ",
  `groups: { ssh: { ingress: [{ allow: tcp/22 }] } }
guests: { app1: { groups: [ssh], publish: [{ ports: [tcp/81], from: [host] }] }, `,
);
const withDatabase = (...members: readonly string[]) => `
groups: { bastion: {}, ssh: { ingress: [{ allow: tcp/22, from: ["group:bastion"] }] } }
networks: { front: { mode: nat }, dmz: { mode: route, reach: [front] } }
guests:
  web1: { groups: [ssh] }
${members.map((name) => `  ${name}: { groups: [bastion] }\n`).join("")}`;

let world: World;
let loaded: readonly Table[];

const tablesOf = (policy: string) => tablesOfCase(folder, policy);

async function load(policy: string): Promise<void> {
  loaded = await tablesOf(policy);
  await loadRuleset(world, await readHostFirewall(folder), loaded);
}

/** Goes from the loaded ruleset to another policy's in one transaction that names what differs only; gives its text. */
async function change(policy: string): Promise<string> {
  const desired = await tablesOf(policy);
  const script = diffTables(loaded, desired);
  await world.onHost(["nft", "-f", "-"], script);
  loaded = desired;
  return script;
}

/** Everything of ours deleted and made anew, in one transaction. */
async function reload(): Promise<void> {
  const gone = loaded.map(({ family, name }) => `delete table ${family} ${name}\n`).join("");
  await world.onHost(["nft", "-f", "-"], gone + printRuleset(loaded));
}

const reach = (from: string, host: string, port: number) =>
  world.agent(from).attempt("tcp", { host, port, timeoutMs: 250 });

const flows = [
  ["world to a publication", "world", "198.51.100.1", 80],
  ["world to a publication over IPv6", "world", "2001:db8:1::1", 80],
  ["guest to the world through NAT", "web2", "192.0.2.1", 80],
  ["guest to the world through NAT over IPv6", "web2", "2001:db8:2::1", 80],
  ["world to a routed guest", "world", "10.21.0.11", 80],
  ["host to a publication", "host", "198.51.100.1", 80],
  ["host to a guest", "host", "10.22.0.11", 80],
  ["guest to the host's name server", "db1", "10.22.0.1", 53],
  ["guest to another network's", "app1", "10.20.0.11", 80],
] as const;

beforeAll(async () => {
  world = await createWorld(await readWorldSpec(inventory));
  await Promise.all(
    [...world.agents.values()].flatMap((agent) => [
      ...[22, 53, 80].map((port) => agent.listen("tcp", port)),
      agent.listen("udp", 9000),
    ]),
  );
});
afterAll(() => world?.close());

describe.each([false, true])("with bridged frames shown to the inet chains: %s", (isShown) => {
  beforeEach(() => world.setBridgeNetfilter(isShown));

  test("every established connection outlives a change and a new load of the ruleset", async () => {
    await load(published);
    for (const [flow, from, host, port] of flows) {
      const opened = await world.agent(from).hold(flow, { host, port, timeoutMs: 1000 });
      expect(opened, flow).toMatchObject({ outcome: "answered" });
    }
    const alive = async () => {
      const answers = flows.map(async ([flow, from]) => {
        const { outcome } = await world.agent(from).exchange(flow, 500);
        return [flow, outcome];
      });
      return Promise.all(answers);
    };
    const all = flows.map(([flow]) => [flow, "answered"]);
    await reload();
    expect(await alive()).toEqual(all);
    await change(narrowed);
    expect(await alive()).toEqual(all);
    expect(await reach("world", "198.51.100.1", 80)).toMatchObject({ outcome: "silent" });
    await change(closed);
    expect(await alive()).toEqual(all);
    await change(published);
    expect(await reach("world", "198.51.100.1", 80)).toMatchObject({ by: "web1" });
    await Promise.all(flows.map(([flow, from]) => world.agent(from).release(flow)));
  });

  test("a stream through a publication loses nothing while other rules and elements come and go", async () => {
    await load(published);
    const stream = { host: "198.51.100.1", port: 9000, packets: 3000, perSecond: 2000 };
    const counted = world.agent("world").stream({ ...stream, flowCount: 60 });
    let isOver = false;
    void counted.finally(() => (isOver = true));
    let changes = 0;
    for (; !isOver; changes++) await change(changes % 2 === 0 ? crowded : published);
    expect(await counted).toMatchObject({ sent: 3000, lost: 0 });
    expect(changes).toBeGreaterThan(5);
  });
});

test("members of a group come and go without a rule being touched", async () => {
  await load(withDatabase("app1"));
  expect(await reach("app1", "10.20.0.11", 22)).toMatchObject({ by: "web1" });
  expect(await reach("app2", "10.20.0.11", 22)).toMatchObject({ outcome: "silent" });
  const joined = await change(withDatabase("app1", "app2"));
  expect(kindsOf(joined)).toEqual(["add element"]);
  expect(await reach("app2", "10.20.0.11", 22)).toMatchObject({ by: "web1" });
  expect(await reach("app2", "fd00:20::11", 22)).toMatchObject({ by: "web1" });
  const left = await change(withDatabase("app2"));
  expect(kindsOf(left)).toEqual(["delete element"]);
  expect(await reach("app1", "10.20.0.11", 22)).toMatchObject({ outcome: "silent" });
  expect(await reach("app2", "10.20.0.11", 22)).toMatchObject({ by: "web1" });
});

test("a publication comes and goes without a rule being touched", async () => {
  await load(closed);
  const begun = await change(published);
  expect(kindsOf(begun)).toEqual(["add element"]);
  expect(await reach("world", "198.51.100.1", 80)).toMatchObject({ by: "web1" });
  const ended = await change(closed);
  expect(kindsOf(ended)).toEqual(["delete element"]);
  expect(await reach("world", "198.51.100.1", 80)).not.toMatchObject({ outcome: "answered" });
});

test("a limit lets some new connections in and holds the rest back", async () => {
  await load(`
groups: { ssh: { ingress: [{ allow: tcp/22, limit: 3/minute }, { allow: tcp/80 }] } }
networks: { dmz: { mode: route } }
guests: { app1: { groups: [ssh] } }
`);
  const attempts = await Promise.all(
    Array.from({ length: 20 }, () => reach("world", "10.21.0.11", 22)),
  );
  const answered = attempts.filter(({ outcome }) => outcome === "answered").length;
  expect(answered).toBeGreaterThanOrEqual(3);
  expect(answered).toBeLessThanOrEqual(8);
  expect(await reach("world", "10.21.0.11", 80)).toMatchObject({ by: "app1" });
});

test("a network's NAT address and ports are what the world sees", async () => {
  await load(
    "networks: { front: { mode: nat, nat: { address: 198.51.100.7, ports: 20000-20099 } } }",
  );
  const attempts = ["tcp", "udp"].flatMap((protocol) =>
    Array.from({ length: 10 }, () => {
      const target = { host: "192.0.2.1", port: protocol === "tcp" ? 80 : 9000, timeoutMs: 1000 };
      return world.agent("web1").attempt(protocol as "tcp" | "udp", target);
    }),
  );
  for (const { saw, sawPort } of await Promise.all(attempts)) {
    expect(saw).toBe("198.51.100.7");
    expect(sawPort).toBeGreaterThanOrEqual(20000);
    expect(sawPort).toBeLessThanOrEqual(20099);
  }
});

/** The commands of a script, once each. */
function kindsOf(script: string): string[] {
  const words = script.matchAll(/^(add|delete|flush|create|destroy|insert|table)(?: (\w+))?/gm);
  return [...new Set([...words].map(([, verb, object]) => `${verb} ${object}`))];
}
