import type { SourceText } from "../model/source-text.ts";
import type { Found } from "./forward.ts";
import { readHookScript } from "./read-hook-script.ts";
import { readHooksJson } from "./read-hooks-json.ts";
import { readIptables } from "./read-iptables.ts";
import { readNft } from "./read-nft.ts";

/** The forwards of a text, whatever wrote it; undefined where it is nothing that is known here. */
export function readForwards(source: SourceText): Found | undefined {
  const { text } = source;
  if (/^\s*(\{|\/\/|\/\*)/.test(text)) return readHooksJson(source);
  if (/^\*(nat|filter|mangle|raw|security)$/m.test(text)) return readIptables(source);
  if (/^\s*table (ip|ip6|inet) \S+ \{/m.test(text)) return readNft(source);
  if (/^#!.*sh\b/.test(text) || /\bip6?tables\b/.test(text)) return readHookScript(source);
  return undefined;
}
