import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import packageFile from "../../package.json" with { type: "json" };
import { once } from "../base/remembered.ts";
import { StateFolder } from "../edge/files/state-folder.ts";
import { BridgeLinks } from "../edge/host/bridge-links.ts";
import { runExplain } from "../edge/host/run-explain.ts";
import { tellSystemd } from "../edge/host/tell-systemd.ts";
import { FirewalldBus } from "../edge/firewalld/firewalld-bus.ts";
import { openSources } from "../edge/libvirt/open-sources.ts";
import { openKernel } from "../edge/nft/open-kernel.ts";
import { serveDaemon, SocketInUseError } from "../edge/socket/daemon-server.ts";
import { readersGroupId } from "../edge/socket/readers-socket.ts";
import type { RequestHandler } from "../edge/socket/serve-client.ts";
import { readGatePid, watchGate } from "../edge/socket/watch-gate.ts";
import { XtablesPrograms } from "../edge/xtables/xtables.ts";
import { parseAhead } from "../parse/inventory.ts";
import { KernelError } from "../ports/kernel.ts";
import type { DaemonStatus } from "../wire/daemon-status.ts";
import { answerRequests } from "./answer.ts";
import { Follower, type Outcome } from "./follower.ts";
import { HeldSources } from "./held-sources.ts";
import { Journal, printLogLine } from "./journal.ts";
import { readDaemonSettings, UsageError, type DaemonSettings } from "./settings.ts";
import { readParts, readStatus } from "./status.ts";
import { takeBackUnconfirmed, watchUnconfirmed } from "./take-back.ts";

/** A gate that does not answer holds up no end. */
const longestSealMs = 500;

/** The machine refuses: exit status 3. */
class RefusedError extends Error {
  override readonly name = "RefusedError";
}

async function main(): Promise<void> {
  const settings = readDaemonSettings(process.argv.slice(2));
  if (settings === "help") {
    await import(new URL("cli.js", import.meta.url).href);
    return;
  }
  if (process.getuid?.() !== 0) throw new RefusedError("the daemon must run as root");
  await follow(settings);
}

async function follow(settings: DaemonSettings): Promise<void> {
  const journal = new Journal();
  journal.follow((event) => void process.stderr.write(printLogLine(event)));
  const { answer, begin } = answerLater();
  const endServer = await serveDaemon(settings.daemonSocket, answer, readersGroupId());
  const kernel = await openKernel({ gate: "lasting", socket: settings.gateSocket });
  const opened = openSources({ ...settings, onGuest: parseAhead });
  const unconfirmed = { stateFolder: settings.stateFolder, sources: opened, journal };
  const refusal = await takeBackUnconfirmed(unconfirmed);
  const sources = new HeldSources(opened);
  const firewalld = new FirewalldBus();
  const follower = new Follower({
    sources,
    kernel,
    flows: kernel.flows,
    xtables: new XtablesPrograms(),
    firewalld,
    links: new BridgeLinks(),
    state: new StateFolder(settings.stateFolder),
    journal,
  });
  const gatePid = () => readGatePid(settings.gateSocket);
  const input = { identity: identityOf(settings), follower, kernel, gatePid };
  const handle = answerRequests({
    follower,
    journal,
    sources,
    readStatus: () => readStatus(input),
    readParts: (names) => readParts(input, names),
    explain: (call, end) => runExplain(call, optionsOf(settings), { end }),
  });
  const watches: (() => void)[] = [];
  onEndSignal(async () => {
    journal.add("info", "ended", "the daemon ends; the rules stay");
    for (const endWatch of watches) endWatch();
    follower.end();
    await Promise.race([follower.upkeep.seal().catch(() => undefined), setTimeout(longestSealMs)]);
    opened.close();
    firewalld.close();
    kernel.close();
    await endServer();
    process.exit(0);
  });
  // From when systemd is told: a reload may come before libvirt has answered, and after the policy was read.
  let isReloadAsked = false;
  let reload = (): void => void (isReloadAsked = true);
  process.on("SIGHUP", () => reload());
  begin(handle);
  await tellSystemd((why) => journal.add("error", "refused", `systemd is not told: ${why}`));
  refuseMissing(await follower.start());
  reload = () => void follower.converge();
  if (isReloadAsked) reload();
  watches.push(
    watchGate(settings.gateSocket, () => follower.checkOwnership()),
    watchUnconfirmed(unconfirmed, refusal),
  );
  await follower.converged;
  await tellReadiness(follower);
}

async function tellReadiness(follower: Follower): Promise<void> {
  process.stdout.write("ready\n");
  // What the start has left behind, and what made sure of it; from here on V8 bounds the garbage by what lives.
  globalThis.gc?.();
  await follower.makeSure();
  globalThis.gc?.();
}

/** A second signal ends it no sooner: the sockets would stay. */
function onEndSignal(end: () => Promise<void>): void {
  const endOnce = once(end);
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => void endOnce());
}

/** Until somebody answers hooks wait, of which libvirt has no second and which know how long they may; all others are to ask again. */
function answerLater(): {
  readonly answer: RequestHandler;
  readonly begin: (handle: RequestHandler) => void;
} {
  let begin = (_handle: RequestHandler): void => undefined;
  const begun = new Promise<RequestHandler>((resolve) => (begin = resolve));
  let handle: RequestHandler = (request, reply) => {
    if (request.request === "hook") void begun.then((later) => later(request, reply));
    else reply({ kind: "refused", message: "the daemon is starting: ask again" });
    return undefined;
  };
  void begun.then((later) => (handle = later));
  return { answer: (request, reply) => handle(request, reply), begin };
}

/** For a command that is to be about the same. */
function optionsOf(settings: DaemonSettings): readonly string[] {
  const { policyFile, isPolicyNamed, inventoryFolder, connectUri, daemonSocket } = settings;
  const options = [`--connect=${connectUri}`, `--socket=${daemonSocket}`];
  if (isPolicyNamed === true) options.push(`--policy=${policyFile}`);
  if (inventoryFolder !== undefined) options.push(`--inventory=${inventoryFolder}`);
  return options;
}

function identityOf(settings: DaemonSettings): NonNullable<DaemonStatus["daemon"]> {
  const { policyFile, inventoryFolder } = settings;
  return {
    pid: process.pid,
    since: new Date().toISOString(),
    version: packageFile.version,
    policyFile,
    ...(inventoryFolder !== undefined && { inventoryFolder: resolve(inventoryFolder) }),
  };
}

/** A program that is not installed does not appear by itself. */
function refuseMissing(outcome: Outcome): void {
  if (outcome.missing.length === 0) return;
  throw new RefusedError(`${outcome.errors.join("; ")}: apt install ${outcome.missing.join(" ")}`);
}

function fail(error: unknown): never {
  if (error instanceof UsageError) {
    process.stderr.write(`virtwall: ${error.message}: see virtwall daemon --help\n`);
    process.exit(2);
  }
  if (error instanceof KernelError) {
    const advice = error.missing === undefined ? "" : `: apt install ${error.missing}`;
    process.stderr.write(`virtwall: ${error.message}${advice}\n`);
    process.exit(3);
  }
  if (error instanceof RefusedError || error instanceof SocketInUseError) {
    process.stderr.write(`virtwall: ${error.message}\n`);
    process.exit(3);
  }
  throw error;
}

// V8 lets garbage grow to a multiple of what lives (11.3): too much beside guests that need the memory.
setFlagsFromString("--heap-growing-percent=40");
// Whoever reads the log or waits for `ready` may be gone: that ends no firewall.
process.stdout.on("error", () => undefined);
process.stderr.on("error", () => undefined);
main().catch(fail);
