import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";

const repository = join(import.meta.dirname, "../..");

interface Walls {
  readonly rooms: Readonly<Record<string, readonly string[]>>;
  readonly pureRooms: readonly string[];
}

async function readWalls(): Promise<Walls> {
  return (await import(pathToFileURL(join(repository, ".dependency-cruiser.mjs")).href)) as Walls;
}

test("ARCHITECTURE.md shows the table of rooms that the build enforces", async () => {
  const text = readFileSync(join(repository, "ARCHITECTURE.md"), "utf8");
  const shown = [...text.matchAll(/^\| `(\w+)` +\|[^|]*\|([^|]*)\|$/gm)].map(
    ([, room = "", allowed = ""]) => [room, allowed.match(/\w+/g) ?? []] as const,
  );
  const { rooms } = await readWalls();
  expect(Object.fromEntries(shown)).toEqual(rooms);
});

test("the linter keeps clock, dice and process out of the rooms that are pure", async () => {
  const { pureRooms } = await readWalls();
  const text = readFileSync(join(repository, ".oxlintrc.json"), "utf8");
  const listed = /"src\/\{([a-z,]+)\}\/\*\*\/\*\.ts"/.exec(text)?.[1]?.split(",");
  expect(listed).toEqual(pureRooms);
});
