import { expect, test } from "vitest";
import { readDaemonSettings, UsageError } from "./settings.ts";

test("sockets whose paths the kernel would cut off are refused, those beside the named one too", () => {
  const settingsFor = (socket: string) => () => readDaemonSettings(["daemon", "--socket", socket]);
  expect(settingsFor(`/run/${"x".repeat(102)}`)).not.toThrow();
  expect(settingsFor(`/run/${"x".repeat(103)}`)).toThrow(UsageError);
  // Of readers.sock, the longest there.
  expect(settingsFor(`/run/${"x".repeat(89)}/v`)).not.toThrow();
  expect(settingsFor(`/run/${"x".repeat(90)}/v`)).toThrow("readers.sock is longer than 107 bytes");
});
