import { mkdir, writeFile } from "node:fs/promises";

import type { ProgramResult } from "../../lab/run-program.ts";
import type { World } from "../../lab/world.ts";

/** Runs a command that is sent SIGINT by the first virsh that it calls with that word. */
export async function interrupted(
  world: World,
  word: string,
  command: readonly string[],
): Promise<ProgramResult> {
  const folder = "/run/interrupt";
  await mkdir(world.pathOf(folder), { recursive: true });
  const script = `#!/bin/sh
case " $* " in *" ${word} "*)
  [ -e ${folder}/told ] || kill -INT "$PPID"
  : >${folder}/told ;;
esac
PATH=\${PATH#${folder}:}
exec virsh "$@"
`;
  await writeFile(world.pathOf(`${folder}/virsh`), script, { mode: 0o755 });
  const path = `${folder}:${process.env["PATH"] ?? ""}`;
  return world.run(command, { env: { ...process.env, PATH: path } });
}
