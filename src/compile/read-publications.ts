import { parseAddress } from "../base/address.ts";
import { portProtocols, type PortRange } from "../base/port.ts";
import type { PublicationIntent } from "../model/intent.ts";
import type { Element, Expression, Table, Verdict } from "../nft/ast.ts";
import { families } from "./matches.ts";
import { publishMap, publishRangesMap, tableName } from "./names.ts";

/** Where a public address and port lead. */
export type Destination = Omit<PublicationIntent, "from">;

/** The publications that these tables carry out, read back from their `publish` maps. What is not of our making is passed over. */
export function readPublications(tables: readonly Table[]): Destination[] {
  const names = new Set(
    families.flatMap((family) => [publishMap(family), publishRangesMap(family)]),
  );
  return tables
    .filter((table) => table.family === "inet" && table.name === tableName)
    .flatMap((table) => table.sets.filter(({ name }) => names.has(name)))
    .flatMap((set) => set.elements.flatMap(readElement));
}

function readElement({ key, data }: Element): Destination[] {
  const [address, protocol, ports] = partsOf(key);
  const [guest, guestPort] = partsOf(data);
  const [publicAddress, guestAddress] = [addressOf(address), addressOf(guest)];
  const name = portProtocols.find((each) => protocol?.kind === "value" && protocol.value === each);
  const published = rangeOf(ports);
  const guestPorts = guestPort === undefined ? published : rangeOf(guestPort);
  if (!publicAddress || !guestAddress || !name || !published || !guestPorts) return [];
  return [{ address: publicAddress, protocol: name, public: published, guestAddress, guestPorts }];
}

function partsOf(expression: Expression | Verdict | undefined): readonly Expression[] {
  if (expression?.kind === "concat") return expression.parts;
  return expression?.kind === "value" ? [expression] : [];
}

function addressOf(expression: Expression | undefined) {
  return expression?.kind === "value" ? parseAddress(String(expression.value)) : undefined;
}

function rangeOf(expression: Expression | undefined): PortRange | undefined {
  if (expression?.kind === "range") {
    return { first: Number(expression.first), last: Number(expression.last) };
  }
  if (expression?.kind !== "value") return undefined;
  return { first: Number(expression.value), last: Number(expression.value) };
}
