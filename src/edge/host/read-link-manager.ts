import { readFile } from "node:fs/promises";
import type { LinkManager } from "../../ports/host-facts.ts";
import { readFolder, readText } from "../files/read-folder.ts";

/** Who brings the interface up: by what each leaves of its own under /run, and by the files of ifupdown. */
export async function readLinkManager(name: string): Promise<LinkManager | undefined> {
  const number = await textOf(`/sys/class/net/${name}/ifindex`);
  const device = await textOf(`/run/NetworkManager/devices/${number}`);
  if (/^managed=true$/m.test(device)) return { kind: "NetworkManager" };
  const link = await textOf(`/run/systemd/netif/links/${number}`);
  const state = /^ADMIN_STATE=(.*)$/m.exec(link)?.[1] ?? "unmanaged";
  if (state !== "unmanaged") {
    const file = /^NETWORK_FILE=(.*)$/m.exec(link)?.[1];
    return { kind: "systemd-networkd", ...(file !== undefined && { file }) };
  }
  const files = [
    readText("/etc/network/interfaces") ?? [],
    ...(await readFolder("/etc/network/interfaces.d", "")),
  ].flat();
  const named = files.find(({ text }) =>
    text.split("\n").some((line) => {
      const [word, device] = line.trim().split(/\s+/);
      return word === "iface" && device === name;
    }),
  );
  return named === undefined ? undefined : { kind: "ifupdown", file: named.file };
}

async function textOf(file: string): Promise<string> {
  return readFile(file, "utf8").then(
    (text) => text.trim(),
    () => "",
  );
}
