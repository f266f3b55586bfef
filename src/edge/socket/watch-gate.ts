import { connect } from "node:net";
import { GateClient, openGateSocket } from "../nft/gate-client.ts";
import { KernelError } from "../../ports/kernel.ts";

const retryMs = 20;

/**
 * Holds a connection to the gate and calls back as soon as it ends: nobody owns the tables from then on. Waits for the next gate by
 * itself. The function returned ends it.
 */
export function watchGate(socketPath: string, onEnd: () => void): () => void {
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  let destroy = (): void => undefined;
  const open = (): void => {
    let isConnected = false;
    const socket = connect(socketPath);
    destroy = () => socket.destroy();
    socket.once("connect", () => (isConnected = true));
    socket.on("error", () => undefined);
    socket.resume();
    socket.once("close", () => {
      if (isStopped) return;
      timer = setTimeout(open, retryMs);
      if (isConnected) onEnd();
    });
  };
  open();
  return () => {
    isStopped = true;
    clearTimeout(timer);
    destroy();
  };
}

/** Undefined where no gate answers. */
export async function readGatePid(socketPath: string): Promise<number | undefined> {
  const gate = new GateClient(() => openGateSocket(socketPath));
  try {
    return (await gate.ask({ kind: "status" })).pid;
  } catch (error) {
    if (error instanceof KernelError || (error as NodeJS.ErrnoException).syscall === "connect") {
      return undefined;
    }
    throw error;
  } finally {
    gate.close();
  }
}
