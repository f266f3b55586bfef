import { spawn } from "node:child_process";

/** Runs a program to its end and gives its output; throws with its own words when it fails. */
export function runProgram(command: string, args: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    const [output, errors]: [string[], string[]] = [[], []];
    child.stdout.setEncoding("utf8").on("data", (text: string) => output.push(text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(output.join(""));
      else
        reject(
          new Error(`${command} ${args.join(" ")} (status ${String(code)}): ${errors.join("")}`),
        );
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}
