import { readFile } from "node:fs/promises";
import {
  XtablesError,
  type Xtables,
  type XtablesChain,
  type XtablesCommand,
  type XtablesListing,
  type XtablesRules,
} from "../../ports/xtables.ts";
import { readIpsets, type SavedSet } from "../../xtables/ipset.ts";
import { ProgramError, runApart } from "../host/run-apart.ts";
import { printPassRules, printRemoval, readChains } from "../../xtables/pass-rule.ts";
import { readSave, readUnlisted } from "../../xtables/save.ts";

/** One installed variant of iptables: the programs that list and change its rules. */
interface Variant {
  readonly command: XtablesCommand;
  readonly save: string;
  readonly restore: string;
}

/**
 * Rules through iptables' own programs. iptables-save without `-t` lists the tables that exist and makes none, in both variants
 * (1.8.9); with `-t` the legacy variant would make the table.
 */
export class XtablesPrograms implements Xtables, XtablesRules {
  async read(): Promise<readonly XtablesChain[]> {
    return chainsOf(await this.list());
  }

  async readLegacy(): Promise<readonly XtablesChain[]> {
    return chainsOf(await listingsOf(await legacyVariants()));
  }

  async putPassRules(chains: readonly XtablesChain[], mark: number): Promise<void> {
    for (const variant of await variants()) {
      const own = chains.filter((chain) => chain.command === variant.command);
      if (own.length > 0) await restore(variant, printPassRules(own, mark));
    }
  }

  async removePassRules(): Promise<number> {
    let removed = 0;
    for (const { command, tables } of await this.list()) {
      const { script, count } = printRemoval(tables);
      if (count > 0) await this.change(command, script);
      removed += count;
    }
    return removed;
  }

  watch(listener: () => void): () => void {
    // What is there already counts as new: it may have come since the first `read`.
    let known = "";
    let isLooking = false;
    const look = async (): Promise<void> => {
      const now = await legacyRules();
      if (now !== known) listener();
      known = now;
    };
    const timer = setInterval(() => {
      if (isLooking) return;
      isLooking = true;
      // What cannot be listed is told by the next `read`.
      void look()
        .catch(() => undefined)
        .finally(() => (isLooking = false));
    }, lookMs);
    return () => clearInterval(timer);
  }

  async list(): Promise<readonly XtablesListing[]> {
    return listingsOf(await variants());
  }

  async change(command: XtablesCommand, script: string): Promise<void> {
    const variant = (await variants()).find((each) => each.command === command);
    if (variant !== undefined) await restore(variant, script);
  }
}

/** Two processes each time, on hosts that have legacy tables; elsewhere one look into /proc. */
const lookMs = 1_000;

/** Whether the kernel holds tables of the legacy variant. */
export async function hasLegacyTables(): Promise<boolean> {
  return (await legacyTableNames()).length > 0;
}

/** Tables of the legacy variant that no installed program lists. */
export async function unlistedLegacyTables(): Promise<readonly string[]> {
  const names = await legacyTableNames();
  if (names.length === 0) return [];
  const isListed = (await variants()).some(({ command }) => command.endsWith("-legacy"));
  return isListed ? [] : names;
}

async function legacyTableNames(): Promise<readonly string[]> {
  const texts = await Promise.all([legacyNames("iptables"), legacyNames("ip6tables")]);
  return [...new Set(texts.flatMap((text) => text.split("\n")).filter((name) => name !== ""))];
}

/** The sets that rules may name; none where ipset is not installed. */
export async function savedSets(): Promise<readonly SavedSet[]> {
  return readIpsets((await runIfInstalled("ipset", ["save"])) ?? "");
}

/** All rules of the legacy variant, less what counting changes. */
async function legacyRules(): Promise<string> {
  return (await legacySaves()).join("").replaceAll(/^#.*$| \[\d+:\d+\]$/gm, "");
}

async function legacySaves(): Promise<readonly string[]> {
  return Promise.all((await legacyVariants()).map(({ save }) => run(save, [])));
}

function listingsOf(variants: readonly Variant[]): Promise<readonly XtablesListing[]> {
  return Promise.all(
    variants.map(async ({ command, save }) => {
      const text = await run(save, []);
      return { command, tables: readSave(text), unlisted: readUnlisted(text) };
    }),
  );
}

function chainsOf(listings: readonly XtablesListing[]): readonly XtablesChain[] {
  return listings.flatMap(({ command, tables }) =>
    readChains(tables).map((chain) => ({ command, ...chain })),
  );
}

const names = ["iptables", "ip6tables"] as const;

async function variants(): Promise<readonly Variant[]> {
  const found = await Promise.all(
    names.flatMap((name) => [nftVariantOf(name), legacyVariantOf(name)]),
  );
  return found.filter((variant) => variant !== undefined);
}

async function legacyVariants(): Promise<readonly Variant[]> {
  const found = await Promise.all(names.map(legacyVariantOf));
  return found.filter((variant) => variant !== undefined);
}

async function nftVariantOf(name: (typeof names)[number]): Promise<Variant | undefined> {
  if ((await plainIsLegacy(name)) === false) {
    return { command: name, save: `${name}-save`, restore: `${name}-restore` };
  }
  if (!(await isInstalled(`${name}-nft-save`))) return undefined;
  return { command: name, save: `${name}-nft-save`, restore: `${name}-nft-restore` };
}

/** It is asked only where the kernel already holds tables of it: asking earlier could load its modules. */
async function legacyVariantOf(name: (typeof names)[number]): Promise<Variant | undefined> {
  if ((await legacyNames(name)) === "") return undefined;
  const isPlain = (await plainIsLegacy(name)) === true;
  const legacy = isPlain ? name : `${name}-legacy`;
  if (!isPlain && !(await isInstalled(`${legacy}-save`))) return undefined;
  return { command: `${name}-legacy`, save: `${legacy}-save`, restore: `${legacy}-restore` };
}

/** Undefined where the plain name is not installed. */
async function plainIsLegacy(name: string): Promise<boolean | undefined> {
  const program = `${name}-save`;
  const known = legacyByProgram.get(program);
  if (known !== undefined) return known;
  const version = await runIfInstalled(program, ["--version"]);
  if (version === undefined) return undefined;
  const isLegacy = !version.includes("nf_tables");
  legacyByProgram.set(program, isLegacy);
  return isLegacy;
}

/** A program does not change its variant while we run, or the daemon is restarted with the package; asking costs a process. */
const legacyByProgram = new Map<string, boolean>();

async function isInstalled(program: string): Promise<boolean> {
  return (await runIfInstalled(program, ["--version"])) !== undefined;
}

/** The tables that the kernel holds, one a line. */
async function legacyNames(name: (typeof names)[number]): Promise<string> {
  const file = name === "iptables" ? "ip_tables_names" : "ip6_tables_names";
  try {
    return (await readFile(`/proc/net/${file}`, "utf8")).trim();
  } catch (error) {
    if (isMissing(error)) return "";
    throw new XtablesError(`cannot read /proc/net/${file}`, { command: name, cause: error });
  }
}

/** `-w`: wait for another iptables instead of failing; the nf_tables variant takes it and needs no lock. */
async function restore(variant: Variant, script: string): Promise<void> {
  await run(variant.restore, ["--noflush", "-w", "5"], script);
}

async function runIfInstalled(
  program: string,
  args: readonly string[],
): Promise<string | undefined> {
  try {
    return await run(program, args);
  } catch (error) {
    if (error instanceof XtablesError && isMissing(error.cause)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

async function run(program: string, args: readonly string[], input?: string): Promise<string> {
  try {
    return await runApart(program, args, input === undefined ? {} : { input });
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    const evidence = { command: program, cause: error };
    throw new XtablesError(
      `${program}: ${error.message}`,
      input === undefined ? evidence : { ...evidence, script: input },
    );
  }
}
