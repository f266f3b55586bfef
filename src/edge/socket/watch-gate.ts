import { connect } from "node:net";
import { GateClient, GateEndedError, openGateSocket } from "../nft/gate-client.ts";

const firstPauseMs = 20;
/** Where nothing can own the tables there is no gate, and will be none. */
const longestPauseMs = 1_000;

/**
 * Holds a connection to the gate and calls back as soon as it ends, since nobody owns the tables from then on, and again when there
 * is another gate. The function returned ends it.
 */
export function watchGate(socketPath: string, onChange: () => void): () => void {
  let isStopped = false;
  let gates = 0;
  let pauseMs = firstPauseMs;
  let timer: NodeJS.Timeout | undefined;
  let destroy = (): void => undefined;
  const open = (): void => {
    let isConnected = false;
    const socket = connect(socketPath);
    destroy = () => socket.destroy();
    socket.once("connect", () => {
      isConnected = true;
      pauseMs = firstPauseMs;
      if (++gates > 1) onChange();
    });
    socket.on("error", () => undefined);
    socket.resume();
    socket.once("close", () => {
      if (isStopped) return;
      timer = setTimeout(open, pauseMs);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      if (isConnected) onChange();
    });
  };
  open();
  return () => {
    isStopped = true;
    clearTimeout(timer);
    destroy();
  };
}

/** Undefined where there is no gate. Throws {@link KernelError} where one is that does not answer. */
export async function readGatePid(socketPath: string): Promise<number | undefined> {
  const gate = new GateClient(() => openGateSocket(socketPath));
  try {
    return (await gate.ask({ kind: "status" })).pid;
  } catch (error) {
    if (error instanceof GateEndedError) return undefined;
    if ((error as NodeJS.ErrnoException).syscall === "connect") return undefined;
    throw error;
  } finally {
    gate.close();
  }
}
