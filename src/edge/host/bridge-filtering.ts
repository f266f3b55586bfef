import type { Family } from "../../base/address.ts";
import { readSettings } from "./read-settings.ts";

const settings = [
  ["net/bridge/bridge-nf-call-iptables", 4],
  ["net/bridge/bridge-nf-call-ip6tables", 6],
] as const;

/**
 * The families whose filters see what crosses any bridge; none where br_netfilter is not loaded. A bridge's own options of that name
 * can only add to it (br_netfilter_hooks.c).
 */
export async function filteredFamilies(): Promise<readonly Family[]> {
  const values = await readSettings(settings.map(([path]) => path));
  return settings.flatMap(([path, family]) => (values.get(path) === "1" ? [family] : []));
}

/** The kernel tells nobody of a setting. */
const lookMs = 2_000;

/** Calls back where the answer of {@link filteredFamilies} changes, a moment later. The function returned ends it. */
export function watchFilteredFamilies(listener: () => void): () => void {
  let known: string | undefined;
  const look = async (): Promise<void> => {
    const now = (await filteredFamilies()).join();
    if (known !== undefined && now !== known) listener();
    known = now;
  };
  void look();
  const timer = setInterval(() => void look(), lookMs);
  return () => clearInterval(timer);
}
