import type { ForeignFirewall } from "./foreign-firewall.ts";
import type { ForeignRoot } from "./foreign-root.ts";

/** The real ufw, as Debian sets it up: nothing may enter, nothing may pass through. */
export function ufw(root: ForeignRoot): ForeignFirewall {
  const tell = (...words: readonly string[]) => root.run("ufw", ...words);
  return {
    // What `enable` leaves out of its chains for IPv6, the first reload puts there (0.36.2).
    start: async () => {
      await tell("--force", "enable");
      await tell("reload");
    },
    restart: async () => void (await tell("reload")),
    stop: async () => void (await tell("disable")),
    listing: async () => {
      const status = await tell("status", "verbose");
      return [
        status,
        await withoutCounters(root, "iptables-save"),
        await withoutCounters(root, "ip6tables-save"),
      ].join("\n");
    },
    close: () => root.close(),
  };
}

/** Rules as iptables saves them, less times and counts. */
export async function withoutCounters(root: ForeignRoot, program: string): Promise<string> {
  const text = await root.run(program);
  return text.replaceAll(/^#.*\n/gm, "").replaceAll(/ \[\d+:\d+\]$/gm, "");
}
