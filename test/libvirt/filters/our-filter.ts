import { parseInventory } from "../../../src/parse/inventory.ts";
import { parsePolicy } from "../../../src/parse/policy.ts";
import { decide } from "../../../src/reconcile/decide.ts";
import { printRuleset } from "../../../src/nft/print.ts";
import { parseAddress } from "../../../src/base/address.ts";
import { parseInterfaceName } from "../../../src/base/interface-name.ts";
import { formatProblem } from "../../../src/model/problem-text.ts";
import type { HostInterface } from "../../../src/model/inventory.ts";
import type { BoundFilter } from "./filter-driver.ts";
import { guest, host, neighbour, type Stage, world } from "./stage.ts";

/* virtwall's own tables on a stage: the network is open, so nothing but the filter judges. */

const network = `<network>
  <name>stage</name>
  <uuid>6b1c7c3e-0000-4000-8000-000000000009</uuid>
  <forward mode='open'/>
  <bridge name='${host.bridge}'/>
  <ip address='${host.four}' prefix='24'/>
  <ip family='ipv6' address='${host.six}' prefix='64'/>
</network>
`;

function domain(name: string, { tap, mac }: typeof guest): string {
  return `<domain type='kvm' id='1'>
  <name>${name}</name>
  <uuid>0a0f2a2c-5d0e-4f4b-9d5c-${mac.replaceAll(":", "")}</uuid>
  <devices>
    <interface type='network'>
      <mac address='${mac}'/>
      <source network='stage' bridge='${host.bridge}'/>
      <target dev='${tap}'/>
    </interface>
  </devices>
</domain>
`;
}

function policyText(filter: BoundFilter | undefined): string {
  if (filter === undefined) return "{}\n";
  const { name, parameters = {} } = filter;
  const nic = { filter: name, parameters };
  // JSON is YAML.
  return `${JSON.stringify({ guests: { guest: { nics: { [guest.mac]: nic } } } })}\n`;
}

function hostInterfaces(): HostInterface[] {
  const [uplink, bridge] = [parseInterfaceName(world.tap), parseInterfaceName(host.bridge)];
  const address = parseAddress(world.gateway);
  if (uplink === undefined || bridge === undefined || address === undefined) return [];
  return [
    { name: uplink, addresses: [address], hasDefaultRoute: true },
    { name: bridge, addresses: [], hasDefaultRoute: false, kind: "bridge" },
  ];
}

/** The ruleset that filters the stage's guest. Throws with the problems where there are errors. */
export function compileFilter(filter: BoundFilter | undefined): string {
  const text = policyText(filter);
  const { policy, problems: policyProblems } = parsePolicy([{ file: "policy.yaml", text }]);
  const texts = {
    networks: [{ file: "stage.xml", text: network }],
    guests: [
      { file: "guest.xml", text: domain("guest", guest) },
      { file: "neighbour.xml", text: domain("neighbour", neighbour) },
    ],
    leases: [],
    ownFilters: (filter?.definitions ?? []).map((xml, i) => ({ file: `${i}.xml`, text: xml })),
  };
  const { inventory, problems: inventoryProblems } = parseInventory(texts, hostInterfaces());
  const onHost = { ...inventory.host, bridges: { filtered: [4, 6] } } as const;
  const files = new Set([...texts.networks, ...texts.guests].map(({ file }) => file));
  const written = {
    policy,
    policyProblems,
    inventory: { ...inventory, host: onHost },
    inventoryProblems,
    inventoryFiles: files,
  };
  const { desired, problems } = decide(written, undefined);
  const errors = problems.filter(({ severity }) => severity === "error");
  if (desired === undefined || errors.length > 0) {
    throw new Error(errors.map((problem) => formatProblem(problem)).join("\n"));
  }
  return printRuleset(desired.compiled.tables);
}

/** Replaces what filtered before. */
export async function bindOurs(stage: Stage, filter: BoundFilter | undefined): Promise<void> {
  const emptied = ["inet", "bridge"].flatMap((family) => [
    `table ${family} virtwall {\n}\n`,
    `delete table ${family} virtwall\n`,
  ]);
  await stage.must(["nft", "-f", "-"], [...emptied, compileFilter(filter)].join(""));
}
