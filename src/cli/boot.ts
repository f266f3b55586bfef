import { BootRuleset } from "../edge/files/boot-ruleset.ts";
import { PolicyFiles } from "../edge/files/policy-files.ts";
import { StateFolder } from "../edge/files/state-folder.ts";
import { Unconfirmed } from "../edge/files/unconfirmed.ts";
import { IpHost } from "../edge/host/ip-host.ts";
import { NftKernel } from "../edge/nft/kernel.ts";
import { openKernel } from "../edge/nft/open-kernel.ts";
import type { Policy } from "../model/policy.ts";
import { printService } from "../model/print-service.ts";
import { parsePolicy } from "../parse/policy.ts";
import { KernelError, type Kernel } from "../ports/kernel.ts";
import { SourceError } from "../ports/sources.ts";
import { StateError } from "../ports/state.ts";
import { closedScript } from "../reconcile/boot-ruleset.ts";
import { exitStatus, type ExitStatus } from "./exit-status.ts";
import { printJson, type Output } from "./output.ts";
import { demandRoot, type Settings } from "./settings.ts";

/** The body of `virtwall boot --json`. */
export interface BootResult {
  /** `kept`: the kernel holds rules of ours already. `closed`: what was in force last could not be loaded. */
  readonly state: "loaded" | "closed" | "kept" | "nothing";
  /** Why it could not be loaded. */
  readonly reason?: string;
  /** What of the host's own is open then, as far as `host.input` has it open for anybody. */
  readonly failsafe?: readonly string[];
}

const words = {
  loaded: "what was in force last is in force; guests pass nothing until the daemon knows them",
  kept: "the kernel holds virtwall's rules already",
  nothing: "nothing was in force before, so nothing is loaded",
} as const;

/** What a system runs before its networks: puts in force what was in force last, without guests, who are not known yet. */
export async function runBoot(settings: Settings, output: Output): Promise<ExitStatus> {
  demandRoot("boot");
  const kernel = await openAnyhow(settings.gateSocket);
  try {
    const result = await loadLast(kernel, settings);
    if (settings.json) printJson(output, result);
    else if (result.state !== "closed") output.out(`${words[result.state]}\n`);
    if (result.state !== "closed") return exitStatus.ok;
    output.err(`${criticalPrefix()}virtwall: ${result.reason}: ${closedWords(result)}\n`);
    return exitStatus.problems;
  } finally {
    kernel.close();
  }
}

/** Whatever is wrong with the gate: nft itself can load rules too. */
async function openAnyhow(socket: string): Promise<NftKernel> {
  try {
    return await openKernel({ gate: "transient", socket });
  } catch (error) {
    if (error instanceof KernelError) return new NftKernel(error.message);
    throw error;
  }
}

function closedWords({ failsafe = [] }: BootResult): string {
  const open = failsafe.length === 0 ? "nothing" : `${failsafe.join(", ")} alone`;
  return `guests pass nothing, and of what host.input opens ${open} is open (failsafe), until the daemon has read the policy`;
}

/** By which journald knows a message's priority (sd-daemon(3)). */
function criticalPrefix(): string {
  return process.env["JOURNAL_STREAM"] === undefined ? "" : "<2>";
}

/** Whatever goes wrong, a bug of ours too, leaves the host closed and not open. */
async function loadLast(kernel: Kernel, settings: Settings): Promise<BootResult> {
  try {
    const tables = await kernel.readTables();
    if (tables.some(({ chains }) => chains.length > 0)) return { state: "kept" };
    const script = await readScript(settings);
    if (script === undefined) return { state: "nothing" };
    await kernel.commit(script);
    return { state: "loaded" };
  } catch (error) {
    const { script, policy } = await closedFor(settings);
    await kernel.commit(script);
    const failsafe = policy.host.failsafe.map(printService);
    const reason = error instanceof Error ? error.message : String(error);
    return { state: "closed", reason, failsafe };
  }
}

/** Undefined where nothing was in force, and is not to be. Throws {@link StateError}. */
async function readScript({ stateFolder, policyFile }: Settings): Promise<string | undefined> {
  const ruleset = new BootRuleset(stateFolder);
  const waiting = await new Unconfirmed(stateFolder).loadAny();
  const script = await (waiting ? ruleset.loadKept() : ruleset.load());
  if (script !== undefined) return script;
  const wasInForce = waiting ? waiting.before : await new StateFolder(stateFolder).load();
  if (wasInForce === undefined && (waiting || !(await isLost(policyFile)))) return undefined;
  throw new StateError(`${stateFolder} holds no ruleset to boot with`);
}

/**
 * There is a policy and nothing that was in force: before any network that is a loss, and closed. A host with a default route is on its
 * network already: whoever starts virtwall there for the first time cuts nobody off by it.
 */
async function isLost(policyFile: string): Promise<boolean> {
  const interfaces = await new IpHost().read();
  if (interfaces.some(({ hasDefaultRoute }) => hasDefaultRoute)) return false;
  return (await new PolicyFiles(policyFile).read()).length > 0;
}

/** By the policy that was in force last, or else by the one that is written now. */
async function closedFor({
  stateFolder,
  policyFile,
}: Settings): Promise<{ readonly script: string; readonly policy: Policy }> {
  const saved =
    (await new Unconfirmed(stateFolder).loadAny().catch(asNothing))?.before ??
    (await new StateFolder(stateFolder).load().catch(asNothing));
  const texts = saved?.policy ?? (await new PolicyFiles(policyFile).read().catch(asNothing)) ?? [];
  const { policy, problems } = parsePolicy(texts);
  // That there is no file means nothing here: it may be on the disk that cannot be read.
  const isWhole = texts.length > 0 && !problems.some(({ severity }) => severity === "error");
  if (isWhole) return { policy, script: closedScript(policy) };
  // Of what could be read, that alone: the failsafe services.
  const empty = parsePolicy([]).policy;
  return { policy, script: closedScript({ ...empty, host: policy.host }, "everybody") };
}

function asNothing(error: unknown): undefined {
  if (error instanceof StateError || error instanceof SourceError) return undefined;
  throw error;
}
