import { readLinkManager } from "../edge/host/read-link-manager.ts";
import { readLinks, readRoutes } from "../edge/host/read-network.ts";
import { readAutostart } from "../edge/libvirt/read-autostart.ts";
import type { LinkManager } from "../ports/host-facts.ts";
import { outsideOf, planFirewallVm, type FirewallVmPlan } from "../reconcile/plan-firewall-vm.ts";
import { printLines } from "./columns.ts";
import { collect } from "./collect.ts";
import { exitStatus, UsageError, type ExitStatus } from "./exit-status.ts";
import { operatorConnection } from "./operator.ts";
import { printJson, type Output } from "./output.ts";
import type { Settings } from "./settings.ts";

/** Only prints: whoever changes the links of a host has to sit where he is not cut off by it. */
export async function runTopologyPlan(settings: Settings, output: Output): Promise<ExitStatus> {
  const { written } = await collect(settings);
  const { firewallVm: firewall } = written.policy.host;
  if (firewall === undefined) {
    throw new UsageError(
      "the policy names no firewall guest: host: { firewallVm: { guest: NAME, wan: BRIDGE } }",
    );
  }
  const [links, routes, autostart] = await Promise.all([
    readLinks(),
    readRoutes(),
    readAutostart(),
  ]);
  const taken = links.find(({ name }) => name === firewall.wan);
  if (taken !== undefined && taken.kind !== "bridge") {
    throw new UsageError(
      `${firewall.wan} is there and is no bridge; host.firewallVm.wan names the bridge that it becomes a port of, such as br-wan`,
    );
  }
  const session = operatorConnection();
  const { inventory } = written;
  const host = { firewall, inventory, links, routes, autostart, ...(session && { session }) };
  const outside = outsideOf(host);
  const manager = outside && (await readLinkManager(outside.holder.name));
  const plan = planFirewallVm(host, outside, manager);
  if (settings.json) printJson(output, { manager: manager ?? null, ...plan });
  else output.out(printPlan(plan, manager));
  return exitStatus.ok;
}

function printPlan({ warnings, files, steps }: FirewallVmPlan, manager: LinkManager | undefined) {
  const head = manager === undefined ? [] : [`links are made by ${manager.kind}`];
  const lines = [
    ...head,
    ...warnings.map((warning) => `warning: ${warning}`),
    ...files.flatMap(({ path, text }) => [``, `==> ${path}`, ...text.trimEnd().split("\n")]),
    "",
    ...steps.map((step, index) => `${index + 1}. ${step}`),
  ];
  return printLines(lines);
}
