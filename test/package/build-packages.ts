import { join } from "node:path";
import { projectRoot } from "../../lab/project-root.ts";
import { mustRun } from "../../lab/run-program.ts";

/** Builds packages of what is built in this tree into the folder. */
export async function buildPackages(folder: string, ...options: readonly string[]): Promise<void> {
  const script = join(projectRoot(), "system/deb/build.sh");
  await mustRun(["bash", script, ...options, folder], { timeoutMs: 240_000 });
}

/** Of commands in a bare Debian. */
export const packageEnv = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  LC_ALL: "C.UTF-8",
  HOME: "/root",
  DEBIAN_FRONTEND: "noninteractive",
};
