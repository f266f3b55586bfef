import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  defaultConnectUri,
  defaultPolicyFile,
  defaultStateFolder,
} from "../edge/files/default-paths.ts";
import type { SourceSettings } from "../edge/libvirt/open-sources.ts";
import { defaultDaemonSocket } from "../wire/daemon-protocol.ts";
import { RefusedError, UsageError } from "./exit-status.ts";

/** The global options, as commander gives them. */
export interface GlobalOptions {
  readonly policy?: string;
  readonly inventory?: string;
  readonly connect?: string;
  readonly state?: string;
  readonly socket?: string;
  readonly json?: boolean;
}

export interface Settings extends SourceSettings {
  readonly stateFolder: string;
  readonly daemonSocket: string;
  readonly gateSocket: string;
  readonly json: boolean;
  readonly isPolicyNamed: boolean;
  /** What this host's kernel does with frames on bridges does not count, see `forAnyHost`. */
  readonly isForAnyHost?: true;
}

export function readSettings(options: GlobalOptions): Settings {
  const daemonSocket = options.socket ?? defaultDaemonSocket;
  return {
    policyFile: options.policy ?? defaultPolicyFile,
    connectUri: options.connect ?? defaultConnectUri,
    ...(options.inventory !== undefined && { inventoryFolder: options.inventory }),
    stateFolder: options.state ?? defaultStateFolder,
    daemonSocket,
    gateSocket: join(dirname(daemonSocket), "gate.sock"),
    json: options.json ?? false,
    isPolicyNamed: options.policy !== undefined,
  };
}

/**
 * For commands that judge what is written and touch nothing: a folder that stands for a host, by `host.json`, is judged alike on every
 * machine, as a host on which br_netfilter tells the states of bridged connections. Else this host is meant.
 */
export function forAnyHost(settings: Settings): Settings {
  const { inventoryFolder } = settings;
  const standsForHost =
    inventoryFolder !== undefined && existsSync(join(inventoryFolder, "host.json"));
  return standsForHost ? { ...settings, isForAnyHost: true } : settings;
}

/** The rules of the kernel can be seen and changed by root only. */
export function demandRoot(command: string): void {
  if (process.getuid?.() !== 0) throw new RefusedError(`virtwall ${command} must run as root`);
}

/** For what changes libvirt, and could not by a folder. */
export function refuseFolder(command: string, { inventoryFolder }: Settings): void {
  if (inventoryFolder === undefined) return;
  throw new UsageError(`${command} changes libvirt, not a folder: leave out --inventory`);
}
