import type { TableFamily } from "../../nft/ast.ts";
import { KernelError } from "../../ports/kernel.ts";
import { nftOutput, refusal, runNft } from "./run-nft.ts";

/** The name of a table in nft's JSON. */
export interface TableAddress {
  readonly family: string;
  readonly name: string;
}

/** One of the objects in nft's JSON listing: `{"rule": {...}}`. */
export type ListedObject = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface Listing {
  readonly nftables: readonly ListedObject[];
}

/**
 * Every table there is, by the listing of chains, which names those without one too (nft 1.0.6 and 1.1.3): for that of tables nft 1.0.6
 * fetches all elements. As text, because it can print half a document where a table has exactly one flag.
 */
export async function listTables(): Promise<readonly { family: TableFamily; name: string }[]> {
  const lines = (await nftOutput(["list", "chains"])).matchAll(/^table (\S+) (\S+) \{/gm);
  return [...lines].map(([, family, name]) => ({
    family: family as TableFamily,
    name: name ?? "",
  }));
}

/**
 * As JSON, in which protocols are numbers: nft 1.0.6 reads /etc/protocols anew for the name of each, which is a third of the time for
 * ten thousand publications.
 */
const asJson = ["-p", "-j"];

/** What nft lists of one table, undefined if there is no such table. `isTerse` leaves out the elements of named sets. */
export async function listTable(
  table: TableAddress,
  { isTerse }: { readonly isTerse: boolean },
): Promise<Listing | undefined> {
  const words = [...(isTerse ? ["-t"] : []), ...asJson, listCommand("table", { ...table })];
  const result = await runNft(words);
  if (result.status === 0) return readListing(result.stdout) ?? listInParts(table, isTerse);
  if (result.stderr.includes("No such file or directory")) return undefined;
  // A signal: the fault that listInParts works around, taken to its end.
  if (typeof result.status === "string") return listInParts(table, isTerse);
  throw refusal(result, `nft list table ${table.family} ${table.name}`);
}

/**
 * The listing with the flags that its tables really have. nft up to 1.0.6 prints stray memory where there is exactly one flag (see
 * {@link listInParts}), a word or a list of whatever stood there, which could hide that the table is dormant; its text is right.
 */
export async function withTrueFlags({ nftables }: Listing): Promise<Listing> {
  return { nftables: await Promise.all(nftables.map(withTrueFlagsOfTable)) };
}

async function withTrueFlagsOfTable(object: ListedObject): Promise<ListedObject> {
  const { table } = object;
  if (table === undefined || areFlags(table["flags"])) return object;
  const [family, name] = [String(table["family"]), String(table["name"])];
  const lines = (await listTersely(family, name)).split("\n");
  const head = lines.findIndex((line) => line.startsWith(`table ${family} ${name} {`));
  const words = /^\tflags (.*)$/.exec(lines[head + 1] ?? "")?.[1] ?? "";
  return { table: { ...table, flags: words.split(/[ ,]+/).filter(Boolean) } };
}

const flagWords = ["dormant", "owner", "persist"];

function areFlags(flags: unknown): boolean {
  if (flags === undefined) return true;
  return Array.isArray(flags) && flags.every((word) => flagWords.includes(String(word)));
}

/**
 * The table as text, with others of its family: to list one table nft 1.0.6 fetches all its elements even so (of ten thousand
 * publications 0.2 s), to list all of them it does not. Alone where that does not end, as under steady change.
 */
async function listTersely(family: string, name: string): Promise<string> {
  const together = await runNft(["-t", "list", "ruleset", family], { timeoutMs: 1000 });
  return together.status === 0 ? together.stdout : nftOutput(["-t", "list", "table", family, name]);
}

/** The sets and maps that are wanted of all there are, with their elements; nft fetches no elements of others for it. */
export async function listSets(isWanted: (set: ListedObject[string]) => boolean): Promise<Listing> {
  const listings = await Promise.all([listEvery("sets"), listEvery("maps")]);
  const wanted = listings
    .flatMap(({ nftables }) => nftables)
    .flatMap(({ set, map }) => [
      { kind: "set", body: set } as const,
      { kind: "map", body: map } as const,
    ])
    .flatMap(({ kind, body }) => (body !== undefined && isWanted(body) ? [{ kind, body }] : []));
  const found = await Promise.all(wanted.map(({ kind, body }) => listSet(kind, body)));
  return { nftables: found.flat() };
}

/** Empty where it is gone. */
async function listSet(
  kind: "set" | "map",
  { family, table, name }: ListedObject[string],
): Promise<readonly ListedObject[]> {
  const address = { family: String(family), table: String(table), name: String(name) };
  const result = await runNft(["-j", listCommand(kind, address)]);
  if (result.status === 0) return parseListing(result.stdout).nftables;
  if (result.stderr.includes("No such file or directory")) return [];
  throw refusal(result, `nft list ${kind} ${Object.values(address).join(" ")}`);
}

/** Every chain of every table, without rules; every named set or map, without elements. */
export async function listEvery(kind: "chains" | "sets" | "maps"): Promise<Listing> {
  return parseListing(await nftOutput(["-t", "-j", "list", kind]));
}

/** All tables of everybody, at one moment; undefined where that takes too long or comes out in half. */
export async function listRuleset(options: {
  /** Leaves out the elements of named sets. */
  readonly isTerse: boolean;
  readonly timeoutMs: number;
}): Promise<Listing | undefined> {
  const { isTerse, timeoutMs } = options;
  const words = [...(isTerse ? ["-t"] : []), ...asJson, "list", "ruleset"];
  const result = await runNft(words, { timeoutMs });
  return result.status === 0 ? readListing(result.stdout) : undefined;
}

/**
 * The same objects, chain by chain. nft up to 1.0.6 frees the flags of a table that has exactly one (a table that persists and has
 * no owner) before it prints them as JSON, and then prints half a document or dies. Single chains and sets come without their
 * table. The listing is not one moment's, which whoever compares it with another finds out at the next change.
 */
async function listInParts(table: TableAddress, isTerse: boolean): Promise<Listing> {
  const options = [...(isTerse ? ["-t"] : []), ...asJson];
  const inTable = (object: ListedObject): boolean =>
    Object.values(object).some(
      (body) => body["family"] === table.family && body["table"] === table.name,
    );
  const listAll = async (kind: "chains" | "sets" | "maps"): Promise<ListedObject[]> => {
    const listing = parseListing(await nftOutput([...options, "list", kind, table.family]));
    return listing.nftables.filter(inTable);
  };
  const objects: ListedObject[] = [{ table: { ...table, flags: "one" } }];
  objects.push(...(await listAll("sets")), ...(await listAll("maps")));
  const rules: ListedObject[] = [];
  for (const object of await listAll("chains")) {
    const name = object["chain"]?.["name"];
    if (typeof name !== "string") continue;
    const command = listCommand("chain", { family: table.family, table: table.name, name });
    const listing = parseListing(await nftOutput([...options, command]));
    objects.push(object);
    rules.push(...listing.nftables.filter((each) => "rule" in each));
  }
  return { nftables: [...objects, ...rules] };
}

/** As JSON, because nft's text has names that it can list and not read: those that are keywords too. */
function listCommand(
  kind: "table" | "chain" | "set" | "map",
  address: Readonly<Record<string, string>>,
): string {
  return JSON.stringify({ nftables: [{ list: { [kind]: address } }] });
}

function parseListing(text: string): Listing {
  const listing = readListing(text);
  if (listing === undefined) throw new KernelError("nft's listing is not complete");
  return listing;
}

function readListing(text: string): Listing | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const isListing =
    typeof json === "object" &&
    json !== null &&
    "nftables" in json &&
    Array.isArray(json.nftables) &&
    json.nftables.every((each) => typeof each === "object" && each !== null);
  return isListing ? (json as Listing) : undefined;
}
