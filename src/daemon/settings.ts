import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import {
  defaultConnectUri,
  defaultPolicyFile,
  defaultStateFolder,
} from "../edge/files/default-paths.ts";
import type { SourceSettings } from "../edge/libvirt/open-sources.ts";
import { readersSocketOf } from "../edge/socket/readers-socket.ts";
import { defaultDaemonSocket } from "../wire/daemon-protocol.ts";
import { refuseSocketPath } from "../wire/socket-path.ts";

export interface DaemonSettings extends SourceSettings {
  readonly stateFolder: string;
  readonly daemonSocket: string;
  readonly gateSocket: string;
}

export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** `help`: the command line prints it, which knows the options of all commands. */
export function readDaemonSettings(argv: readonly string[]): DaemonSettings | "help" {
  const { values, positionals } = readArgs(argv);
  if (values.help === true) return "help";
  const [command, surplus] = positionals;
  if (command !== "daemon" || surplus !== undefined) {
    throw new UsageError(`unexpected argument '${surplus ?? command ?? ""}'`);
  }
  const daemonSocket = values.socket ?? defaultDaemonSocket;
  const gateSocket = join(dirname(daemonSocket), "gate.sock");
  for (const path of [daemonSocket, gateSocket, readersSocketOf(daemonSocket)]) {
    const refusal = refuseSocketPath(path);
    if (refusal !== undefined) throw new UsageError(refusal);
  }
  return {
    policyFile: resolve(values.policy ?? defaultPolicyFile),
    isPolicyNamed: values.policy !== undefined,
    connectUri: values.connect ?? defaultConnectUri,
    ...(values.inventory !== undefined && { inventoryFolder: values.inventory }),
    stateFolder: values.state ?? defaultStateFolder,
    daemonSocket,
    gateSocket,
  };
}

function readArgs(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        policy: { type: "string" },
        inventory: { type: "string" },
        connect: { type: "string" },
        state: { type: "string" },
        socket: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    const [words = ""] = (error as Error).message.split(". ");
    throw new UsageError(words.charAt(0).toLowerCase() + words.slice(1));
  }
}
