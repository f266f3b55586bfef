import { expect, test } from "vitest";
import type { MendingStep, Mender } from "../ports/mender.ts";
import type { NamedFinding } from "./examine.ts";
import { mend } from "./mend.ts";

const setting = (path: string): MendingStep => ({ kind: "setting", path, value: "1" });

function finding(id: string, ...paths: readonly string[]): NamedFinding {
  const fix = { text: "", steps: paths.map(setting) };
  return { id, severity: "error", message: "", evidence: [], fix };
}

class Machine implements Mender {
  readonly done: string[] = [];

  async carryOut(step: MendingStep): Promise<string> {
    const path = step.kind === "setting" ? step.path : "";
    if (path.startsWith("refused")) throw new Error(`no ${path}`);
    this.done.push(path);
    return path;
  }
}

const reasonOf = (error: unknown) => (error as Error).message;

test("a step that two findings share is carried out once", async () => {
  const machine = new Machine();
  const mended = await mend([finding("a", "x", "y"), finding("b", "x", "z")], machine, reasonOf);
  expect(machine.done).toEqual(["x", "y", "z"]);
  expect(mended).toEqual([
    { id: "a", done: "x" },
    { id: "a", done: "y" },
    { id: "b", done: "z" },
  ]);
});

test("what comes after a refused step is not done, in whatever finding, and other findings are mended", async () => {
  const machine = new Machine();
  const findings = [finding("a", "refused", "x"), finding("b", "refused", "y"), finding("c", "z")];
  const mended = await mend(findings, machine, reasonOf);
  expect(machine.done).toEqual(["z"]);
  expect(mended).toEqual([
    { id: "a", refused: "no refused" },
    { id: "c", done: "z" },
  ]);
});
