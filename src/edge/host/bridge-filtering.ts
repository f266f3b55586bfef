import type { Family } from "../../base/address.ts";
import { readSettings } from "./read-settings.ts";

const settings = [
  ["net/bridge/bridge-nf-call-iptables", 4],
  ["net/bridge/bridge-nf-call-ip6tables", 6],
] as const;

/** The last answer: what whoever asked goes by. */
let answered = "";

/**
 * The families whose filters see what crosses any bridge; none where br_netfilter is not loaded. A bridge's own options of that name
 * can only add to it (br_netfilter_hooks.c).
 */
export async function filteredFamilies(): Promise<readonly Family[]> {
  const families = await readFamilies();
  answered = families.join();
  return families;
}

async function readFamilies(): Promise<readonly Family[]> {
  const values = await readSettings(settings.map(([path]) => path));
  return settings.flatMap(([path, family]) => (values.get(path) === "1" ? [family] : []));
}

/** The kernel tells nobody of a setting. */
const lookMs = 2_000;

/** Calls back while {@link filteredFamilies} would not answer as it did last. The function returned ends it. */
export function watchFilteredFamilies(listener: () => void): () => void {
  const look = async (): Promise<void> => {
    if ((await readFamilies()).join() !== answered) listener();
  };
  const timer = setInterval(() => void look(), lookMs);
  return () => clearInterval(timer);
}
