import { join } from "node:path";
import type { HostSource, LibvirtSource, PolicySource } from "../../ports/sources.ts";
import { PolicyFiles } from "../files/policy-files.ts";
import { FileHost } from "../host/file-host.ts";
import { IpHost } from "../host/ip-host.ts";
import { DirectoryLibvirt } from "./directory-libvirt.ts";
import { LiveLibvirt } from "./live-libvirt.ts";

export interface Sources {
  readonly policy: PolicySource;
  readonly libvirt: LibvirtSource;
  readonly host: HostSource;
  /** Ends what was started to read them. */
  close(): void;
}

export interface SourceSettings {
  readonly policyFile: string;
  readonly connectUri: string;
  /** A folder in place of libvirt. */
  readonly inventoryFolder?: string;
}

export function openSources(settings: SourceSettings): Sources {
  const policy = new PolicyFiles(settings.policyFile);
  const folder = settings.inventoryFolder;
  if (folder === undefined) {
    const libvirt = new LiveLibvirt(settings.connectUri);
    return { policy, libvirt, host: new IpHost(), close: () => libvirt.close() };
  }
  return {
    policy,
    libvirt: new DirectoryLibvirt(folder),
    host: new FileHost(join(folder, "host.json"), new IpHost()),
    close: () => undefined,
  };
}
