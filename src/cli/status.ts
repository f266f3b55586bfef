import { defined } from "../base/defined.ts";
import { openKernel } from "../edge/nft/open-kernel.ts";
import { askDaemon } from "../edge/socket/daemon-client.ts";
import { readGatePid } from "../edge/socket/watch-gate.ts";
import { XtablesPrograms } from "../edge/xtables/xtables.ts";
import type { Policy } from "../model/policy.ts";
import type { Kernel, Ownership } from "../ports/kernel.ts";
import { SourceError } from "../ports/sources.ts";
import { listLearned } from "../reconcile/list-learned.ts";
import { planPassRules } from "../reconcile/pass-rules.ts";
import { planTables } from "../reconcile/plan-tables.ts";
import type { DaemonStatus, IntegrationStatus, ProtectionStatus } from "../wire/daemon-status.ts";
import {
  countsOf,
  firewallsOf,
  guestStatuses,
  networkStatuses,
  publicationStatuses,
} from "../wire/status-body.ts";
import { collect, type Collected } from "./collect.ts";
import { noDaemon } from "./events.ts";
import { exitStatus, type ExitStatus } from "./exit-status.ts";
import { printJson, type Output } from "./output.ts";
import { printStatus } from "./print-status.ts";
import { hasErrors } from "./print-problems.ts";
import { demandRoot, type Settings } from "./settings.ts";

/** Exit status 1 while something is wrong: no daemon, errors in what is written, or something that could not be done. */
export async function runStatus(settings: Settings, output: Output): Promise<ExitStatus> {
  const reply = await askDaemon(settings.daemonSocket, { request: "status" });
  const status = reply?.kind === "status" ? reply.status : await readWithoutDaemon(settings);
  if (settings.json) printJson(output, status);
  else output.out(printStatus(status));
  const isWell = status.errors.length === 0 && !hasErrors(status.policy.problems);
  return isWell ? exitStatus.ok : exitStatus.problems;
}

/** What a daemon would say that has just started, and that no daemon runs. */
async function readWithoutDaemon(settings: Settings): Promise<DaemonStatus> {
  demandRoot("status, while no daemon runs,");
  const collected = await collect(settings).catch((error: unknown) => {
    if (!(error instanceof SourceError)) throw error;
    const message = `${noDaemon(settings.daemonSocket)}; ${error.message}`;
    throw new SourceError(message, { ...defined({ missing: error.missing }), cause: error });
  });
  const kernel = await openKernel({ gate: "none", socket: settings.gateSocket });
  try {
    const gatePid = await readGatePid(settings.gateSocket);
    const compiled = collected.decision.desired?.compiled;
    const errors = [noDaemon(settings.daemonSocket)];
    if (compiled && planTables(await kernel.readTables(), compiled.tables).script !== "") {
      errors.push("the kernel does not hold what is told here: see virtwall diff, virtwall apply");
    }
    return {
      ...describePolicy(collected),
      daemon: null,
      ...(gatePid !== undefined && { gate: { pid: gatePid } }),
      protection: protectionOf(await kernel.ownership()),
      errors,
      networks: networkStatuses(compiled?.intent.networks),
      guests: guestStatuses(compiled?.guests, await listLearned(kernel)),
      publications: publicationStatuses(
        compiled?.publications,
        countsOf(await kernel.readCounters()),
      ),
      integration: await readIntegration(kernel, collected.written.policy),
      gaps: { tables: { count: 0 }, passRules: { count: 0 } },
    };
  } finally {
    kernel.close();
  }
}

/** What meets guests' packets beside us, as it is now. */
export async function readIntegration(
  kernel: Pick<Kernel, "readForeign">,
  { host: { mark, integration } }: Policy,
): Promise<IntegrationStatus> {
  const { report } = planPassRules({
    foreign: await kernel.readForeign(),
    xtables: await new XtablesPrograms().read(),
    mark,
    integration: "print",
  });
  return { mode: integration, firewalls: firewallsOf(report), chains: report };
}

/** Without a daemon nothing is put back. */
function protectionOf(ownership: Ownership): ProtectionStatus {
  if (ownership.mode === "owner") return ownership;
  return { mode: "none", reason: `${ownership.reason}; any program can change or flush them` };
}

function describePolicy({ decision, policyTexts }: Collected): Pick<DaemonStatus, "policy"> {
  return {
    policy: {
      inForce: decision.inForce,
      files: policyTexts.map((text) => text.file),
      problems: decision.problems,
      keptGuests: [],
      keepsFilters: false,
    },
  };
}
