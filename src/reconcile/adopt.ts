import { shellWord } from "../base/shell-word.ts";
import { KernelError } from "../ports/kernel.ts";
import { NetworkError, type NetworkControl } from "../ports/networks.ts";
import { SourceError } from "../ports/sources.ts";
import { StateError, type AdoptionStore, type SavedAdoption } from "../ports/state.ts";
import { AdoptionError, steppingBack, type SteppingBack } from "./step-back.ts";

export interface AdoptionPorts {
  readonly networks: NetworkControl;
  readonly store: AdoptionStore;
  readonly policy: {
    /** `undefined`: the file goes. Throws {@link StateError}. */
    write(file: string, text: string | undefined): Promise<void>;
  };
  readonly daemon: {
    /** Resolves once the kernel holds what is written; throws {@link AdoptionError} where it does not. */
    converge(): Promise<void>;
    /** The daemon believes until the function returned is called that networks and links are as they were last. */
    hold(): Promise<() => void>;
    /** Resolves once every guest of the network has its tap in the bridge; throws {@link AdoptionError} where one has not. */
    untilPluggedIn(): Promise<void>;
  };
  /** Told before each step. */
  tell(step: string): void;
}

/**
 * The network's rules become virtwall's: policy first, so that our tables judge it in so many words, then libvirt's XML. The daemon's
 * tables are not touched while the bridge is away, and judge it by name from its first moment on. A step that fails undoes those
 * before it; one that cannot be undone keeps them and the backup, without which nothing could be given back.
 */
export async function adopt(adoption: SavedAdoption, ports: AdoptionPorts): Promise<void> {
  const { network, xml, policy } = adoption;
  await steppingBack(backBy(network), async (undo) => {
    ports.tell("saving the XML and the policy as they are");
    await ports.store.saveAdoption(adoption);
    undo.push(["the backup", () => ports.store.removeAdoption(network)]);
    if (policy.after !== policy.before) {
      ports.tell(`writing ${policy.file}`);
      undo.push(["the policy", () => rewrite(policy.file, policy.before, ports)]);
      await rewrite(policy.file, policy.after, ports);
    } else {
      await ports.daemon.converge();
    }
    ports.tell("restarting the network without libvirt's rules");
    await ports.networks.define(xml.after);
    undo.push(["the network", () => restart(network, xml.before, ports)]);
    await restart(network, xml.after, ports);
    ports.tell("putting guests' nics back");
    await ports.daemon.untilPluggedIn();
  });
}

/** What stands there when an adopted network is to be given back. */
export interface GiveBack {
  readonly xml: string;
  /** A network that does not run is not started either. */
  readonly isRunning: boolean;
  /** `after` is what is to be written. */
  readonly policy: SavedAdoption["policy"];
}

/** The way back: libvirt's rules first, then the policy. */
export async function giveBack(
  adoption: SavedAdoption,
  now: GiveBack,
  ports: AdoptionPorts,
): Promise<void> {
  const { network } = adoption;
  const { policy, isRunning } = now;
  await steppingBack(backBy(network), async (undo) => {
    ports.tell("giving the network its former XML");
    await ports.networks.define(adoption.xml.before);
    undo.push(["the XML", () => ports.networks.define(now.xml)]);
    if (isRunning) {
      ports.tell("restarting the network with libvirt's rules");
      undo.push(["the network", () => restart(network, now.xml, ports)]);
      await restart(network, adoption.xml.before, ports);
    }
    if (policy.after !== policy.before) {
      ports.tell(`writing ${policy.file}`);
      undo.push(["the policy", () => rewrite(policy.file, policy.before, ports)]);
      await rewrite(policy.file, policy.after, ports);
    }
    if (isRunning) {
      ports.tell("putting guests' nics back");
      await ports.daemon.untilPluggedIn();
    }
    await ports.store.removeAdoption(network);
  });
}

async function rewrite(
  file: string,
  text: string | undefined,
  { policy, daemon }: AdoptionPorts,
): Promise<void> {
  await policy.write(file, text);
  await daemon.converge();
}

/** libvirt takes another XML at the network's next start only. */
async function restart(name: string, xml: string, ports: AdoptionPorts): Promise<void> {
  const { networks, daemon } = ports;
  const release = await daemon.hold();
  try {
    await networks.define(xml);
    await networks.stop(name);
    await networks.start(name);
  } finally {
    release();
  }
  await daemon.converge();
}

function backBy(network: string): SteppingBack {
  return {
    refusals: [AdoptionError, KernelError, NetworkError, SourceError, StateError],
    later: `virtwall adopt ${shellWord(network)} --undo`,
  };
}
