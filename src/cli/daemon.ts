import { exitStatus, type ExitStatus } from "./exit-status.ts";

/** The daemon is a program of its own, which reads the same command line. Here it is reached by options before its name only. */
export async function runDaemon(): Promise<ExitStatus> {
  await import(new URL("daemon.js", import.meta.url).href);
  return exitStatus.ok;
}
