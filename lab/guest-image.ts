import { join } from "node:path";

import { cached } from "./cache-folder.ts";
import { startInitramfs } from "./initramfs.ts";
import { projectRoot } from "./project-root.ts";

/** A kernel and an initramfs from which a lab guest boots; the kernel command line names the guest. */
export interface GuestImage {
  readonly kernel: string;
  readonly initramfs: string;
}

const scripts = {
  "guest-init.sh": "init",
  "guest-lease.sh": "bin/lease",
  "guest-udp-echo.pl": "bin/udp-echo.pl",
  "guest-flood.pl": "bin/flood.pl",
  "guest-whoami.sh": "www/cgi-bin/whoami",
  "guest-client.pl": "www/cgi-bin/fetch",
  "guest-ping.sh": "www/cgi-bin/ping",
  "guest-renew.sh": "www/cgi-bin/renew",
} as const;

export interface GuestImageWish {
  readonly hasAgent?: boolean;
  /** A script that sets up the guest's nics in place of init, and has nft. */
  readonly firewall?: string;
}

/** A guest image: the kernel from the cache (filled through apt when empty), the initramfs packed into `folder`. */
export async function guestImage(
  folder: string,
  { hasAgent = false, firewall }: GuestImageWish = {},
): Promise<GuestImage> {
  const kernelFolder = await cached("fetch-kernel.sh", 600_000);
  const kind = firewall === undefined ? (hasAgent ? "-agent" : "") : "-firewall";
  const initramfs = join(folder, `initramfs${kind}.cpio`);
  const image = await startInitramfs(initramfs);
  await image.addBusybox();
  await image.addPerl("Socket=:DEFAULT,pack_sockaddr_in6");
  const orders = firewall === undefined ? [] : ["machine.order"];
  await image.addModules(kernelFolder, "guest.order", ...orders);
  const lab = join(projectRoot(), "lab");
  for (const [script, place] of Object.entries(scripts)) {
    await image.addFile(join(lab, script), place);
  }
  await image.addFile(join(lab, "guest-client.pl"), "www/cgi-bin/connect");
  if (hasAgent) {
    const agentFolder = await cached("fetch-agent.sh", 600_000);
    await image.addProgram(join(agentFolder, "qemu-ga"), "bin/qemu-ga");
  }
  if (firewall !== undefined) {
    await image.addText(`#!/bin/busybox sh\n${firewall}`, "bin/firewall");
    await image.addProgram("/usr/sbin/nft");
    await image.addFile("/etc/protocols");
  }
  await image.pack();
  return { kernel: join(kernelFolder, "vmlinuz"), initramfs };
}
