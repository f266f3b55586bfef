import { execFile } from "node:child_process";
import { parseAddress } from "../../base/address.ts";
import { parseMac } from "../../base/mac.ts";
import type { AgentAddress } from "../../model/inventory.ts";

/**
 * What a guest's agent says of its nics; undefined where it does not answer. In a process of its own, which the signal ends: libvirt waits
 * for an agent for as long as its guest likes (virsh(1), guest-agent-timeout), and goes on waiting after that.
 * `guest-network-get-interfaces` through `virsh qemu-agent-command` would say the same and mark the guest as tainted.
 */
export function askAgent(
  uri: string,
  uuid: string,
  signal?: AbortSignal,
): Promise<AgentAddress[] | undefined> {
  const args = ["-q", "-c", uri, "domifaddr", uuid, "--source", "agent", "--full"];
  const env = { ...process.env, LC_ALL: "C" };
  return new Promise((resolve) => {
    execFile("virsh", args, { env, signal, killSignal: "SIGKILL" }, (error, stdout) =>
      resolve(error ? undefined : readInterfaces(stdout, uuid)),
    );
  });
}

/** Rows of ` eth0  52:54:00:00:00:01  ipv4  10.0.0.5/24`; the name is the guest's own and may hold anything. */
const row = /\s((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\s+ipv[46]\s+([0-9a-f:.]+)\/\d+\s*$/i;

/** The rest of a guest's addresses is not believed: it can name as many as it likes, and each may become an element of several sets. */
const mostAddresses = 256;

function readInterfaces(stdout: string, uuid: string): AgentAddress[] {
  const addresses = stdout.split("\n").flatMap((line) => {
    const [, macText = "", addressText = ""] = row.exec(line) ?? [];
    const mac = parseMac(macText);
    const address = parseAddress(addressText);
    return mac === undefined || address === undefined ? [] : [{ uuid, mac, address }];
  });
  return addresses.slice(0, mostAddresses);
}
