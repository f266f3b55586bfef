import { KernelError } from "../ports/kernel.ts";
import type { NetworkDriver } from "../ports/network-driver.ts";
import { NetworkError } from "../ports/networks.ts";
import { SourceError } from "../ports/sources.ts";
import { XtablesError } from "../ports/xtables.ts";
import { AdoptionError, steppingBack } from "./step-back.ts";

export interface Migration {
  /** libvirt's settings as they are and as they are to be; absent where they say it already. */
  readonly settings?: { readonly before: string | undefined; readonly after: string };
  /** The driver has to be started anew for what they say. */
  readonly isRestartDue: boolean;
}

/** Whatever one of them throws undoes what was done. */
export interface MigrationPorts {
  readonly driver: Pick<NetworkDriver, "writeSettings" | "restoreSettings" | "restart">;
  /** Resolves once libvirt's rules and ours stand as that backend has them; throws {@link AdoptionError} where they do not. */
  untilSettled(): Promise<void>;
  readonly hooks: {
    /** Takes away what the scripts have made. */
    removeRules(): Promise<void>;
    restoreRules(): Promise<void>;
    /** The scripts go aside. */
    retire(): Promise<void>;
    revive(): Promise<void>;
  };
  /** What the other backend has left. */
  readonly leftovers: {
    remove(): Promise<void>;
    restore(): Promise<void>;
    /** What the new backend has left, where libvirt is back at its former one. */
    removeNew(): Promise<void>;
  };
  /** Throws {@link AdoptionError} where somebody is not reached any more who was before. */
  untilReached(): Promise<void>;
  /** Told before each step. */
  tell(step: string): void;
}

/**
 * libvirt writes its rules with another program. It takes its own rules away itself when it starts; our tables judge guests all the
 * while. A step that fails, and a guest that is not reached any more, undoes everything before it.
 */
export async function migrate(
  { settings, isRestartDue }: Migration,
  ports: MigrationPorts,
): Promise<"migrated" | "restart due"> {
  const { driver, hooks, leftovers, tell } = ports;
  let isStarted = true;
  await steppingBack({ refusals }, async (undo) => {
    // Undone last: with its former settings the driver writes the rules of before.
    if (isRestartDue) undo.push(["what libvirt had", () => restartFormer(settings, ports)]);
    if (settings) {
      tell("writing libvirt's network.conf");
      await driver.writeSettings(settings.after);
    }
    if (isRestartDue) {
      tell("restarting libvirt's network driver");
      isStarted = await driver.restart();
      if (!isStarted) return;
    }
    await ports.untilSettled();
    tell("removing the rules of hook scripts");
    undo.push(["the rules of hook scripts", () => hooks.restoreRules()]);
    await hooks.removeRules();
    // Only behind their rules: who is killed in between leaves scripts that tell the next run whose rules they are.
    tell("retiring hook scripts");
    undo.push(["the hook scripts", () => hooks.revive()]);
    await hooks.retire();
    // Those of a guest that has started meanwhile.
    await hooks.removeRules();
    tell("removing what the other backend has left");
    // A driver that starts anew with its former settings writes them itself: put back beside that they would stand there twice.
    if (!isRestartDue || !settings) undo.push(["what was removed", () => leftovers.restore()]);
    await leftovers.remove();
    tell("asking who is reached");
    await ports.untilReached();
  });
  return isStarted ? "migrated" : "restart due";
}

/** With settings that could not be put back a restart would change nothing, and what the new backend has written is in use. */
async function restartFormer(
  settings: Migration["settings"],
  { driver, leftovers }: MigrationPorts,
): Promise<void> {
  if (!settings) throw new AdoptionError("its settings were the new ones before this began");
  await driver.restoreSettings(settings.before);
  if (await driver.restart()) await leftovers.removeNew();
}

const refusals = [AdoptionError, KernelError, NetworkError, SourceError, XtablesError] as const;
