import { expect, test } from "vitest";
import { SourceError } from "../ports/sources.ts";
import { readGround } from "./ground.ts";

test("who says no while the host is read is heard at once, and nothing is left unheard", async () => {
  const refused = Promise.reject(new SourceError("libvirt: connection refused"));
  await expect(readGround(refused)).rejects.toBeInstanceOf(SourceError);
});
