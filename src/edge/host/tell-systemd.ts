import { execFile } from "node:child_process";

const { NOTIFY_SOCKET } = process.env;
// What this process starts is not the service, though it may know how to say that it is up: the gate does.
delete process.env["NOTIFY_SOCKET"];

/**
 * Tells systemd that this service is up, where it has asked for that; calls back where it could not be told. By systemd-notify(1),
 * since node has no datagram sockets with a path.
 */
export function tellSystemd(onRefusal: (why: string) => void): Promise<void> {
  if (NOTIFY_SOCKET === undefined) return Promise.resolve();
  const env = { ...process.env, NOTIFY_SOCKET };
  return new Promise((resolve) => {
    execFile("systemd-notify", ["--ready"], { env }, (error, _stdout, stderr) => {
      if (error !== null) onRefusal(stderr.trim() || error.message);
      resolve();
    });
  });
}
