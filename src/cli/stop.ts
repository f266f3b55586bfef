import { rm, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { shellWord } from "../base/shell-word.ts";
import { StateFolder } from "../edge/files/state-folder.ts";
import { Unconfirmed } from "../edge/files/unconfirmed.ts";
import { BridgeLinks } from "../edge/host/bridge-links.ts";
import { defaultHooksFolder, HookFile, HookFileError } from "../edge/hooks/hook-files.ts";
import { endProcess } from "../edge/host/end-process.ts";
import { ProcessError } from "../edge/host/systemctl.ts";
import { FirewalldBus } from "../edge/firewalld/firewalld-bus.ts";
import { openKernel } from "../edge/nft/open-kernel.ts";
import { askParts } from "../edge/socket/daemon-client.ts";
import { readersSocketOf } from "../edge/socket/readers-socket.ts";
import { readGatePid } from "../edge/socket/watch-gate.ts";
import { XtablesPrograms } from "../edge/xtables/xtables.ts";
import { KernelError, type Kernel } from "../ports/kernel.ts";
import { LinkError } from "../ports/links.ts";
import { StateError } from "../ports/state.ts";
import { listTaps } from "../reconcile/list-taps.ts";
import { PassRuleKeeper } from "../reconcile/pass-rules-keeper.ts";
import { defaultDaemonSocket } from "../wire/daemon-protocol.ts";
import { hookDrivers } from "../wire/hook-call.ts";
import { exitStatus, RefusedError, type ExitStatus } from "./exit-status.ts";
import { printJson, type Output } from "./output.ts";
import { demandRoot, type Settings } from "./settings.ts";
import { toTheEnd } from "./stoppable.ts";

/** The body of `virtwall stop --json`. */
export interface StopResult {
  /** The process id of the daemon that was ended; null where none ran. */
  readonly daemon: number | null;
  /** The gate's; null where none ran, and without `--clean`, which alone ends it. */
  readonly gate: number | null;
  /** Nothing of virtwall's is left but what the admin wrote. */
  readonly isClean: boolean;
  /** What could not be removed, in the machine's words. */
  readonly failures: readonly string[];
}

/** Ends the daemon. With `isClean` takes away everything that virtwall put anywhere, the policy and the admin's own files apart. */
export async function runStop(
  settings: Settings,
  output: Output,
  options: { readonly isClean: boolean },
): Promise<ExitStatus> {
  demandRoot("stop");
  const state = new StateFolder(settings.stateFolder);
  if (options.isClean) await refuseAdopted(state, settings);
  const told = await askParts(settings.daemonSocket, "daemon");
  const daemon = told?.daemon?.pid ?? null;
  const failures: string[] = [];
  const gate = await toTheEnd(output, async () => {
    if (daemon !== null) await endProcess(daemon);
    return options.isClean ? clean(settings, state, failures) : null;
  });
  const isClean = options.isClean && failures.length === 0;
  const result: StopResult = { daemon, gate, isClean, failures };
  if (settings.json) printJson(output, result);
  else printStop(result, options.isClean, output);
  return failures.length > 0 ? exitStatus.refused : exitStatus.ok;
}

/** Answers the gate's process id. Who would write the rules anew is gone before they are taken away. */
async function clean(
  settings: Settings,
  state: StateFolder,
  failures: string[],
): Promise<number | null> {
  const attempt = attempts(failures);
  await attempt(async () => {
    if (await new Unconfirmed(settings.stateFolder).end()) return;
    throw new StateError("a change is being taken back, and that does not end");
  });
  await cleanKernel(settings, attempt);
  const gate = (await readGatePid(settings.gateSocket)) ?? null;
  if (gate !== null) await attempt(() => endProcess(gate));
  await attempt(() => state.clear());
  // libvirt's hooks are the machine's: they are those of the daemon at its usual place.
  if (settings.daemonSocket === defaultDaemonSocket) await removeHooks(attempt);
  await removeSockets(settings);
  return gate;
}

/** Without our tables nobody would judge adopted guests, and those of adopted networks, nor rewrite their sources. */
async function refuseAdopted(state: StateFolder, { stateFolder }: Settings): Promise<void> {
  const [guest] = await state.loadGuestAdoptions();
  if (guest !== undefined) {
    throw new RefusedError(
      `libvirt has no filters for ${guest.guest}: virtwall nwfilter adopt ${shellWord(guest.guest)} --undo; of a guest that is no more, remove the backup in ${stateFolder}/adopted-guests`,
    );
  }
  const [first, ...others] = (await state.loadAdoptions()).map(({ network }) => network);
  if (first === undefined) return;
  const names = [first, ...others].join(", ");
  throw new RefusedError(
    `libvirt has no rules for ${names}: virtwall adopt ${shellWord(first)} --undo; of a network that is no more, remove the backup in ${stateFolder}/adopted`,
  );
}

async function removeHooks(attempt: Attempt): Promise<void> {
  for (const driver of hookDrivers) {
    await attempt(() => new HookFile(defaultHooksFolder, driver, "").uninstall());
  }
}

type Attempt = (action: () => Promise<void>) => Promise<void>;

/** One refusal keeps nobody from the rest. */
function attempts(failures: string[]): Attempt {
  const refusals = [KernelError, LinkError, StateError, ProcessError, HookFileError];
  return async (action) => {
    try {
      await action();
    } catch (error) {
      if (!refusals.some((refusal) => error instanceof refusal)) throw error;
      failures.push((error as Error).message);
    }
  };
}

/** Takes the rules away and leaves the rest. Throws what could not be done. */
export async function cleanRules(settings: Settings): Promise<void> {
  const failures: string[] = [];
  await cleanKernel(settings, attempts(failures));
  if (failures.length > 0) throw new RefusedError(failures.join("; "));
}

/** Other firewalls get their say back while our tables still judge, so that nothing opens in between. */
async function cleanKernel(settings: Settings, attempt: Attempt): Promise<void> {
  const kernel = await openKernel({ gate: "none", socket: settings.gateSocket });
  const firewalld = new FirewalldBus();
  try {
    await attempt(async () => {
      const keeper = new PassRuleKeeper({ kernel, xtables: new XtablesPrograms(), firewalld });
      const left = await keeper.remove();
      if (left.length > 0) throw new KernelError(left.join("; "));
    });
    await attempt(() => clearHairpin(kernel));
    await attempt(() => kernel.removeTables());
  } finally {
    firewalld.close();
    kernel.close();
  }
}

/** Nobody but virtwall has a reason to set it on a guest's tap: the set of taps is the list of where it may be. */
async function clearHairpin(kernel: Kernel): Promise<void> {
  const taps = listTaps(await kernel.readTables());
  if (taps.length > 0) await new BridgeLinks().clearHairpin(taps);
}

async function removeSockets({ daemonSocket, gateSocket }: Settings): Promise<void> {
  const claimed = [daemonSocket, gateSocket].flatMap((socket) => [socket, `${socket}.lock`]);
  for (const file of [...claimed, readersSocketOf(daemonSocket)]) await rm(file, { force: true });
  // Only an empty folder goes: another may have been named on the command line.
  await rmdir(dirname(daemonSocket)).catch(() => undefined);
}

function printStop(result: StopResult, isCleaning: boolean, output: Output): void {
  output.out(result.daemon === null ? "no daemon runs\n" : "the daemon has ended\n");
  if (!isCleaning) {
    output.out("the rules stay in force, and nothing follows guests any more\n");
    return;
  }
  for (const failure of result.failures) output.err(`virtwall: ${failure}\n`);
  output.out(
    result.isClean
      ? "nothing of virtwall's is left in the kernel; policy and firewall files are the admin's and stay\n"
      : "not everything could be removed: see above, then once more\n",
  );
}
