import { readFile } from "node:fs/promises";

/** Files that distributions load their firewalls from. */
const places = [
  "/etc/nftables.conf",
  "/etc/sysconfig/nftables.conf",
  "/etc/iptables/rules.v4",
  "/etc/iptables/rules.v6",
  "/etc/sysconfig/iptables",
  "/etc/sysconfig/ip6tables",
] as const;

/** Those that are there and can be read. */
export async function readRuleFiles(): Promise<
  readonly { readonly file: string; readonly text: string }[]
> {
  const texts = await Promise.all(
    places.map(async (file) => ({ file, text: await readFile(file, "utf8").catch(() => "") })),
  );
  return texts.filter(({ text }) => text !== "");
}
