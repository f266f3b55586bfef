import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ProcessError } from "../host/systemctl.ts";

/** Lets a person change the text in the editor of their choice, as virsh does (virsh-util.c, vshEditFile); answers the new one. */
export async function openEditor(text: string, name: string): Promise<string> {
  const editor = process.env["VISUAL"] ?? process.env["EDITOR"] ?? "vi";
  const folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  try {
    const file = join(folder, name);
    await writeFile(file, text, { mode: 0o600 });
    await run(editor, file);
    return await readFile(file, "utf8");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The variable may hold options too, so a shell splits it. */
function run(editor: string, file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", `${editor} "$1"`, "sh", file], { stdio: "inherit" });
    child.once("error", (cause) => reject(new ProcessError(`${editor}: ${cause.message}`)));
    child.once("close", (code) => {
      if (code === 0) resolve();
      else reject(new ProcessError(`${editor} ended with status ${code ?? "none"}`));
    });
  });
}
