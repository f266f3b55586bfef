import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { cacheFolder } from "./guest-image.ts";
import { LabError, mustRun, runProgram } from "./run-program.ts";
import type { World } from "./world.ts";

/** libvirt 11.3 with its nftables backend, nft 1.1.3. */
const packages = [
  "libvirt-daemon-system",
  "libvirt-daemon-driver-qemu",
  "libvirt-daemon-driver-network",
  "libvirt-daemon-driver-nwfilter",
  "libvirt-daemon-config-network",
  "libvirt-clients",
  "qemu-system-x86",
  "dnsmasq-base",
  "nftables",
  "iptables",
  "iproute2",
  "conntrack",
];

/** Changes when the way the folder is made changes. */
const folderName = "trixie-1";

/**
 * The root folder of a Debian 13 with libvirt, for `startWorld`. Made with debootstrap when the cache has none:
 * 2 minutes and 300 MB. Throws {@link LabError} naming what this machine lacks.
 */
export async function trixieRoot(log: (line: string) => void = () => {}): Promise<string> {
  const cache = cacheFolder();
  const kept = join(cache, folderName);
  if (existsSync(kept)) return kept;
  const found = await runProgram(["sh", "-c", "command -v debootstrap"]);
  if (found.status !== 0) throw new LabError("debootstrap is missing: apt install debootstrap");
  await mkdir(cache, { recursive: true });
  const scratch = await mkdtemp(join(cache, "debootstrap-"));
  try {
    log("making a Debian 13 with libvirt 11 (2 minutes)");
    const mirror = await debianMirror();
    await mustRun(["debootstrap", "--variant=minbase", "trixie", scratch, mirror], {
      timeoutMs: 600_000,
    });
    // invoke-rc.d asks this file before it starts a service.
    await writeFile(join(scratch, "usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n", {
      mode: 0o755,
    });
    await mustRun(
      ["unshare", "--mount", "--pid", "--fork", "sh", "-c", installScript, "sh"].concat([
        scratch,
        ...packages,
      ]),
      {
        timeoutMs: 900_000,
      },
    );
    await rename(scratch, kept).catch((cause: unknown) => {
      // Another run was faster.
      if (!existsSync(kept)) throw cause;
    });
    return kept;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

const installScript = `
root=$1
shift
set -e
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
cp /etc/resolv.conf "$root/etc/resolv.conf"
export DEBIAN_FRONTEND=noninteractive
chroot "$root" apt-get update -q
chroot "$root" apt-get install -y -q --no-install-recommends "$@"
chroot "$root" apt-get clean
umount "$root/dev" "$root/proc"
`;

/** The mirror that the machine's own apt sources name. */
async function debianMirror(): Promise<string> {
  const folder = "/etc/apt/sources.list.d";
  const names = existsSync(folder) ? await readdir(folder) : [];
  const files = ["/etc/apt/sources.list", ...names.map((name) => join(folder, name))];
  for (const file of files) {
    const text = await readFile(file, "utf8").catch(() => "");
    const line = /^(?:URIs:|deb(?: \[[^\]]*\])?)\s+(\S+\/debian\/?)(?:\s|$)/m.exec(text);
    if (line?.[1] !== undefined) return line[1];
  }
  throw new LabError("apt's sources name no Debian mirror (…/debian)");
}

/** Switches libvirt in such a world to its nftables backend, which Debian does not make the default. */
export async function useNftablesBackend(world: World): Promise<void> {
  const settings = world.pathOf("/etc/libvirt/network.conf");
  const before = await readFile(settings, "utf8").catch(() => "");
  await writeFile(settings, `${before}\nfirewall_backend = "nftables"\n`);
  // That backend fills UDP checksums with `tc … csum`, without which a network does not start; kernels without
  // act_csum refuse it, and virtio guests do not need it.
  const shim = world.pathOf("/usr/local/sbin/tc");
  const script = '#!/bin/sh\ncase "$*" in *csum*) exit 0 ;; esac\nexec /usr/sbin/tc "$@"\n';
  await writeFile(shim, script, { mode: 0o755 });
}
