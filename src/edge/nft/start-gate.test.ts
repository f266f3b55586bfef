import { expect, test } from "vitest";
import { openTransientGate } from "./start-gate.ts";

test("a gate for this process alone ends with its stream, also where it hangs", async () => {
  for (const program of ["exec cat", "exec sleep 600"]) {
    const gate = await openTransientGate(["sh", "-c", program]);
    const ended = new Promise<Error | undefined>((resolve) => gate.onEnd(resolve));
    gate.close();
    expect(await ended).toBeUndefined();
  }
});
