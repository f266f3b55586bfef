import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { parseInterfaceName } from "../../base/interface-name.ts";
import { KernelError } from "../../ports/kernel.ts";
import { LinkError } from "../../ports/links.ts";
import type { Mender, MendingStep } from "../../ports/mender.ts";
import { SourceError } from "../../ports/sources.ts";
import { hookDrivers } from "../../wire/hook-call.ts";
import { readText } from "../files/read-folder.ts";
import { writeAtomically } from "../files/write-atomically.ts";
import { defaultHooksFolder, HookFileError } from "../hooks/hook-files.ts";
import type { HookPaths } from "../hooks/hook-script.ts";
import { hookFileOf } from "../hooks/read-hooks.ts";
import { refusal, runNft } from "../nft/run-nft.ts";
import { XtablesPrograms } from "../xtables/xtables.ts";
import { BridgeLinks } from "./bridge-links.ts";

/** Sorts after what distributions bring, whose last is 99-sysctl.conf: of one setting the last file's word counts (sysctl.d(5)). */
const settingsFile = "/etc/sysctl.d/99-virtwall.conf";
const settingsHead = "# Settings that `virtwall doctor --fix` has made.\n";

/** Mends this host, in the namespaces of this process. */
export class ThisHostMender implements Mender {
  readonly #hooks: HookPaths;

  constructor(hooks: HookPaths) {
    this.#hooks = hooks;
  }

  async carryOut(step: MendingStep): Promise<string> {
    switch (step.kind) {
      case "setting":
        await set(step.path, step.value);
        await keep(step.path, step.value);
        return `${step.path} = ${step.value}, now and in ${settingsFile}`;
      case "nft": {
        const result = await runNft(["-f", "-"], { input: step.script });
        if (result.status !== 0) throw refusal(result, "nft");
        return `nft: ${step.script.trim().replaceAll("\n", "; ")}`;
      }
      case "iptables": {
        await new XtablesPrograms().change(step.command, step.script);
        const lines = step.script.split("\n").filter((line) => line.startsWith("-"));
        return `${step.command}: ${lines.join("; ")}`;
      }
      case "port":
        return this.#enslave(step);
      case "hook":
        return this.#install(step.driver);
    }
  }

  async #enslave({ tap, bridge }: MendingStep & { kind: "port" }): Promise<string> {
    const [port, master] = [parseInterfaceName(tap), parseInterfaceName(bridge)];
    if (port === undefined || master === undefined)
      throw new LinkError(`${tap}: no such interface`);
    await new BridgeLinks().enslave([{ tap: port, bridge: master }]);
    return `ip link set ${tap} master ${bridge}`;
  }

  async #install(name: string): Promise<string> {
    const driver = hookDrivers.find((each) => each === name);
    if (driver === undefined) throw new HookFileError(`there is no hook ${name}`);
    const hook = hookFileOf(defaultHooksFolder, driver, this.#hooks);
    await hook.install();
    return `wrote ${(await hook.find()).file}`;
  }
}

async function set(path: string, value: string): Promise<void> {
  try {
    await writeFile(`/proc/sys/${path}`, `${value}\n`);
  } catch (cause) {
    throw new KernelError(`cannot set ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** A line each, of one setting one; slashes serve names of interfaces with dots in them as well. */
async function keep(path: string, value: string): Promise<void> {
  const before = readText(settingsFile)?.text ?? settingsHead;
  const others = before.split("\n").filter((line) => !line.startsWith(`${path} =`) && line !== "");
  try {
    await mkdir(dirname(settingsFile), { recursive: true });
    await writeAtomically(settingsFile, `${[...others, `${path} = ${value}`].join("\n")}\n`);
  } catch (cause) {
    throw new SourceError(`cannot write ${settingsFile}: ${(cause as Error).message}`, { cause });
  }
}
