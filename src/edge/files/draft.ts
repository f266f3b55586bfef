import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { reasonOf } from "../../base/reason-of.ts";
import { ProcessError } from "../host/systemctl.ts";

/**
 * A text in a file of its own, for a person to change. It stays until it is removed, whatever becomes of this process. Each throws
 * {@link ProcessError}.
 */
export class Draft {
  readonly file: string;

  private constructor(file: string) {
    this.file = file;
  }

  static async make(text: string, name: string): Promise<Draft> {
    const folder = await attempt(tmpdir(), (parent) => mkdtemp(join(parent, "virtwall-")));
    const draft = new Draft(join(folder, name));
    try {
      await attempt(draft.file, (file) => writeFile(file, text, { mode: 0o600 }));
      return draft;
    } catch (error) {
      await draft.remove();
      throw error;
    }
  }

  /** In the editor of their choice, as virsh does (virsh-util.c, vshEditFile). */
  async edit(): Promise<void> {
    const editor = process.env["VISUAL"] ?? process.env["EDITOR"] ?? "vi";
    await run(editor, this.file);
  }

  async read(): Promise<string> {
    return attempt(this.file, (file) => readFile(file, "utf8"));
  }

  async remove(): Promise<void> {
    await rm(dirname(this.file), { recursive: true, force: true });
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

async function attempt<Value>(
  file: string,
  action: (file: string) => Promise<Value>,
): Promise<Value> {
  try {
    return await action(file);
  } catch (cause) {
    throw new ProcessError(`${file}: ${reasonOf(cause)}`, { cause });
  }
}
