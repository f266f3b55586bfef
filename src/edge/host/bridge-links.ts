import { defined } from "../../base/defined.ts";
import type { InterfaceName } from "../../base/interface-name.ts";
import type { BridgeFacts } from "../../model/inventory.ts";
import { KernelError } from "../../ports/kernel.ts";
import { LinkError, type BridgePort, type Links } from "../../ports/links.ts";
import { runNft } from "../nft/run-nft.ts";
import { filteredFamilies } from "./bridge-filtering.ts";
import { ProgramError, runApart } from "./run-apart.ts";

/** The bridge ports of the namespace this process runs in, through iproute2's `bridge`. */
export class BridgeLinks implements Links {
  #abilities: Promise<KernelAbilities> | undefined;

  async bridges(): Promise<BridgeFacts> {
    // Settings come and go; a kernel stays what it is, once it could be asked.
    const abilities = await (this.#abilities ??= readAbilities());
    const { isTracked, canReject } = abilities;
    if (isTracked === undefined || canReject === undefined) this.#abilities = undefined;
    return { filtered: await filteredFamilies(), ...abilities };
  }

  setHairpin(ports: readonly InterfaceName[]): Promise<void> {
    return runBatch(
      "bridge",
      ports.map((port) => `link set dev ${port} hairpin on\n`),
    );
  }

  clearHairpin(ports: readonly InterfaceName[]): Promise<void> {
    return runBatch(
      "bridge",
      ports.map((port) => `link set dev ${port} hairpin off\n`),
    );
  }

  enslave(taps: readonly BridgePort[]): Promise<void> {
    return runBatch(
      "ip",
      taps.map(({ tap, bridge }) => `link set dev ${tap} master ${bridge}\n`),
    );
  }
}

type KernelAbilities = Omit<BridgeFacts, "filtered">;

async function readAbilities(): Promise<KernelAbilities> {
  const [isTracked, canReject] = await Promise.all([
    takesOnBridge("ct state new"),
    takesOnBridge("meta l4proto tcp reject with tcp reset"),
  ]);
  return defined({ isTracked, canReject });
}

/** The kernel loads the module that a rule needs, also where the rule is only tried. Undefined where nobody could be asked. */
async function takesOnBridge(statements: string): Promise<boolean | undefined> {
  const chain = "{ type filter hook prerouting priority 1; }";
  const input = `add table bridge probe\nadd chain bridge probe c ${chain}\nadd rule bridge probe c ${statements}\n`;
  try {
    const { status, stderr } = await runNft(["--check", "-f", "-"], { input });
    const isAnswer = typeof status === "number" && !stderr.includes("Operation not permitted");
    return isAnswer ? status === 0 : undefined;
  } catch (error) {
    if (error instanceof KernelError) return undefined;
    throw error;
  }
}

/** `-force` goes on after a line that fails: a tap may end between listing and change. */
async function runBatch(program: "bridge" | "ip", lines: readonly string[]): Promise<void> {
  try {
    await runApart(program, ["-force", "-batch", "-"], { input: lines.join("") });
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    const words = refusals(error.message);
    if (words.length > 0) throw new LinkError(`${program} link set: ${words.join("; ")}`);
  }
}

/** What is more than a port that is gone: iproute2 6.1 names it, and then the number of the line. */
function refusals(words: string): readonly string[] {
  return words
    .split("\n")
    .filter((line) => !/^Cannot find (bridge )?device|^Command failed -:\d+$/.test(line));
}
