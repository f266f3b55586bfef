import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { runInMachine, type MachineWord } from "../../lab/machine.ts";
import { runProgram } from "../../lab/run-program.ts";

/*
 * Who hears whom through a ruleset, in a hypervisor made by a shell script, so that it can stand here or in a machine with another
 * kernel. A line is `tcp4 a -> b:7 => ok`: the guests `a`, `b` (one bridge) and `c` (another), `host`, and `world` behind the uplink
 * answer on port 7, on TCP and UDP. `udp6 host -> a:7 3000 bytes => ok` sends that much. Outcomes are `ok`, `refused` (told so at once) and
 * `silent`.
 */
export interface ExchangeCase {
  readonly name: string;
  readonly ruleset: string;
  readonly lines: readonly string[];
}

/** Where exchanges take place: in namespaces of this kernel, or in a machine with Debian's. */
export type Ground = "here" | "machine";

export const taps = { a: "vnet0", b: "vnet1", c: "vnet2" } as const;

const addresses: Readonly<Record<string, readonly [string, string]>> = {
  a: ["10.20.0.2", "fd00:0::2"],
  b: ["10.20.0.3", "fd00:0::3"],
  c: ["10.20.1.2", "fd00:1::2"],
  world: ["198.51.100.50", "2001:db8::50"],
};

/** By who asks: an answer comes from the address on the asker's own link. */
const hostAddresses: typeof addresses = {
  a: ["10.20.0.1", "fd00:0::1"],
  b: ["10.20.0.1", "fd00:0::1"],
  c: ["10.20.1.1", "fd00:1::1"],
  world: ["198.51.100.1", "2001:db8::1"],
};

const form = /^(tcp|udp)([46]) (\w+) -> (\w+):(\d+)(?: (\d+) bytes)? => (?:ok|refused|silent)$/;

/**
 * Plays each case after the one before it; the lines of a case at the same time, each from a port of its own. Answers the lines as
 * they came out, by the name of the case.
 */
export async function playExchanges(
  cases: readonly ExchangeCase[],
  ground: Ground,
  isBridgeFiltered: boolean,
): Promise<Map<string, string[]>> {
  const files: Record<string, string> = {
    run: `sh setup.sh ${isBridgeFiltered ? 1 : 0} && perl play.pl script`,
    script: script(cases),
  };
  for (const name of ["setup.sh", "play.pl"]) {
    files[name] = readFileSync(new URL(`exchanges/${name}`, import.meta.url), "utf8");
  }
  for (const [index, { ruleset }] of cases.entries()) files[`${index}.nft`] = ruleset;
  const { status, output } = await (ground === "machine" ? runInMachine(files) : runHere(files));
  if (status !== 0) throw new Error(`the exchanges ended with ${status}:\n${output}`);
  const outcomes = new Map(
    [...output.matchAll(/^(\d+\.\d+) (ok|refused|silent)$/gm)].map(([, id = "", word]) => [
      id,
      word,
    ]),
  );
  return new Map(
    cases.map(({ name, lines }, index) => [
      name,
      lines.map((line, at) => line.replace(/=> \w+$/, `=> ${outcomes.get(`${index}.${at}`)}`)),
    ]),
  );
}

/** Neighbours are known before a ruleset stands, so that only what a line says is judged. */
const acquaintance = ["a", "b", "c", "world"].flatMap((name) =>
  [4, 6].flatMap((family) =>
    (name === "a" ? ["b", "host"] : ["host"]).map((to) => `udp${family} ${name} -> ${to}:7 => ok`),
  ),
);

function script(cases: readonly ExchangeCase[]): string {
  const steps = cases.flatMap(({ lines }, index) => [
    `load ${index}.nft`,
    ...lines.map((line, at) => question(`${index}.${at}`, line)),
    "play",
  ]);
  const warm = acquaintance.map((line, at) => question(`warm.${at}`, line));
  return [...warm, "warm", ...steps, ""].join("\n");
}

function question(id: string, line: string): string {
  const match = form.exec(line);
  if (!match) throw new Error(`not understood: ${line}`);
  const [, protocol = "", family, from = "", to = "", port = "", bytes = "5"] = match;
  const address = (to === "host" ? hostAddresses[from] : addresses[to])?.[family === "6" ? 1 : 0];
  if (address === undefined) throw new Error(`nobody of that name: ${line}`);
  return ["ask", id, protocol, from, address, port, bytes].join(" ");
}

async function runHere(files: Readonly<Record<string, string>>): Promise<MachineWord> {
  const folder = mkdtempSync(join(tmpdir(), "virtwall-exchanges-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const inNamespace = join(import.meta.dirname, "../../scripts/in-namespace.sh");
    const { status, stdout, stderr } = await runProgram(["bash", inNamespace, "sh", "./run"], {
      cwd: folder,
      timeoutMs: 60_000,
    });
    return { status, output: stdout + stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
