import { dirname } from "node:path";
import { parseAddress } from "../../base/address.ts";
import { parseInterfaceName } from "../../base/interface-name.ts";
import type { HostInterface } from "../../model/inventory.ts";
import { SourceError, type HostSource } from "../../ports/sources.ts";
import { readText } from "../files/read-folder.ts";
import { watchFolder } from "../files/watch-folder.ts";

/**
 * A file that stands for the host: a JSON array of `{ name, addresses, hasDefaultRoute, master?, kind? }`. While there is no such
 * file, `otherwise` answers.
 */
export class FileHost implements HostSource {
  readonly #file: string;
  readonly #otherwise: HostSource;

  constructor(file: string, otherwise: HostSource) {
    this.#file = file;
    this.#otherwise = otherwise;
  }

  async read(): Promise<readonly HostInterface[]> {
    const source = readText(this.#file);
    return source ? this.#parse(source.text) : this.#otherwise.read();
  }

  watch(listener: () => void): () => void {
    const stops = [
      watchFolder(dirname(this.#file), listener, (name) => name === "host.json"),
      this.#otherwise.watch(listener),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  #parse(text: string): HostInterface[] {
    let rows: unknown;
    try {
      rows = JSON.parse(text);
    } catch (cause) {
      throw new SourceError(`${this.#file}: ${(cause as Error).message}`, { cause });
    }
    if (!Array.isArray(rows)) throw new SourceError(`${this.#file}: not a list of interfaces`);
    return rows.map((row: unknown, index) => {
      const read = readInterface(row);
      if (!read) throw new SourceError(`${this.#file}: interface ${index + 1} is not valid`);
      return read;
    });
  }
}

function readInterface(row: unknown): HostInterface | undefined {
  if (typeof row !== "object" || row === null) return undefined;
  const fields = row as Record<string, unknown>;
  const { name, addresses = [], hasDefaultRoute = false, master, kind } = fields;
  const parsedName = interfaceName(name);
  if (!parsedName || !Array.isArray(addresses) || typeof hasDefaultRoute !== "boolean") {
    return undefined;
  }
  const parsed = addresses.map((address: unknown) =>
    typeof address === "string" ? parseAddress(address) : undefined,
  );
  if (parsed.includes(undefined)) return undefined;
  const parsedMaster = interfaceName(master);
  return {
    name: parsedName,
    addresses: parsed.filter((address) => address !== undefined),
    hasDefaultRoute,
    ...(parsedMaster !== undefined && { master: parsedMaster }),
    ...(typeof kind === "string" && { kind }),
  };
}

function interfaceName(value: unknown): ReturnType<typeof parseInterfaceName> {
  return typeof value === "string" ? parseInterfaceName(value) : undefined;
}
