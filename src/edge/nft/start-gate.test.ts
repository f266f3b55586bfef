import { expect, test } from "vitest";
import { missingWords } from "../../wire/missing-package.ts";
import { openTransientGate } from "./start-gate.ts";

test("a gate for this process alone ends with its stream, also where it hangs", async () => {
  for (const program of ["exec cat", "exec sleep 600"]) {
    const gate = await openTransientGate(["sh", "-c", program]);
    const ended = new Promise<Error | undefined>((resolve) => gate.onEnd(resolve));
    gate.close();
    expect(await ended).toBeUndefined();
  }
});

test("a gate that ends says what is missing", async () => {
  const said = `echo "virtwall gate: ${missingWords.libnftables1}" >&2`;
  const gate = await openTransientGate(["sh", "-c", said]);
  const ended = new Promise<Error | undefined>((resolve) => gate.onEnd(resolve));
  expect(await ended).toMatchObject({
    message: missingWords.libnftables1,
    missing: "libnftables1",
  });
});
