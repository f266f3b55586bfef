import { openKernel } from "../edge/nft/open-kernel.ts";
import { askParts, DaemonError } from "../edge/socket/daemon-client.ts";
import type { IntegrationStatus } from "../wire/daemon-status.ts";
import { collect, type Collected } from "./collect.ts";
import { exitStatus, type ExitStatus } from "./exit-status.ts";
import { printJson, type Output } from "./output.ts";
import { printMermaid } from "./print-mermaid.ts";
import { printProblems, verdictOf } from "./print-problems.ts";
import { printSvg } from "./print-svg.ts";
import { printTopology } from "./print-topology.ts";
import type { Settings } from "./settings.ts";
import { readIntegration } from "./status.ts";
import { viewTopology } from "./topology-view.ts";

const printers = { text: printTopology, mermaid: printMermaid, svg: printSvg } as const;

export type TopologyFormat = keyof typeof printers;

/** The picture of what is to be in force. Whoever may neither ask the daemon nor the kernel sees all but other firewalls. */
export async function runTopology(
  settings: Settings,
  output: Output,
  format: TopologyFormat,
): Promise<ExitStatus> {
  const collected = await collect(settings);
  const { problems, desired } = collected.decision;
  if (desired === undefined) {
    if (settings.json) printJson(output, { problems, topology: null });
    else output.err(`${printProblems(problems, collected.texts)}${verdictOf(problems)}\n`);
    return exitStatus.problems;
  }
  const integration = await integrationOf(settings, collected);
  const topology = viewTopology(desired, integration);
  if (settings.json) printJson(output, { problems, topology });
  else output.out(printers[format](topology));
  return exitStatus.ok;
}

async function integrationOf(
  settings: Settings,
  { written }: Collected,
): Promise<IntegrationStatus | undefined> {
  const isRoot = process.getuid?.() === 0;
  try {
    const told = await askParts(settings.daemonSocket, "integration");
    if (told !== undefined) return told.integration;
  } catch (error) {
    if (isRoot || !(error instanceof DaemonError)) throw error;
  }
  if (!isRoot) return undefined;
  const kernel = await openKernel({ gate: "none", socket: settings.gateSocket });
  try {
    return await readIntegration(kernel, written.policy);
  } finally {
    kernel.close();
  }
}
