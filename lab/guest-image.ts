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

/** A guest image: the kernel from the cache (filled through apt when empty), the initramfs packed into `folder`. */
export async function guestImage(folder: string, { hasAgent = false } = {}): Promise<GuestImage> {
  const kernelFolder = await cached("fetch-kernel.sh", 600_000);
  const initramfs = join(folder, hasAgent ? "initramfs-agent.cpio" : "initramfs.cpio");
  const image = await startInitramfs(initramfs);
  await image.addBusybox();
  await image.addPerl("Socket=:DEFAULT,pack_sockaddr_in6");
  await image.addModules(kernelFolder, "guest.order");
  const lab = join(projectRoot(), "lab");
  for (const [script, place] of Object.entries(scripts)) {
    await image.addFile(join(lab, script), place);
  }
  await image.addFile(join(lab, "guest-client.pl"), "www/cgi-bin/connect");
  if (hasAgent) {
    const agentFolder = await cached("fetch-agent.sh", 600_000);
    await image.addProgram(join(agentFolder, "qemu-ga"), "bin/qemu-ga");
  }
  await image.pack();
  return { kernel: join(kernelFolder, "vmlinuz"), initramfs };
}
