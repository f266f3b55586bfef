import { parseInterfaceName, type InterfaceName } from "../base/interface-name.ts";
import type { Table } from "../nft/ast.ts";

/** The taps of guests that the kernel's rules vouch for. */
export function listTaps(tables: readonly Table[]): InterfaceName[] {
  const bridge = tables.find(({ family }) => family === "bridge");
  const elements = bridge?.sets.find(({ name }) => name === "taps")?.elements ?? [];
  return elements.flatMap(({ key }) =>
    key.kind === "value" ? (parseInterfaceName(String(key.value)) ?? []) : [],
  );
}
