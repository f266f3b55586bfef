import { dirname, join } from "node:path";
import type {
  FilterSource,
  HostSource,
  LearnedSource,
  LibvirtSource,
  PolicySource,
} from "../../ports/sources.ts";
import { FilterFolders, libvirtFilterFolder } from "../files/filter-folders.ts";
import { PolicyFiles } from "../files/policy-files.ts";
import { FileHost } from "../host/file-host.ts";
import { IpHost } from "../host/ip-host.ts";
import { askAgent } from "./ask-agent.ts";
import { DirectoryLibvirt } from "./directory-libvirt.ts";
import { GuestWord } from "./guest-word.ts";
import { LiveLibvirt, type LiveLibvirtOptions } from "./live-libvirt.ts";

export interface Sources {
  readonly policy: PolicySource;
  readonly libvirt: LibvirtSource;
  readonly host: HostSource;
  readonly learned: LearnedSource;
  readonly filters: FilterSource;
  /** Ends what was started to read them. */
  close(): void;
}

export interface SourceSettings {
  readonly policyFile: string;
  /** Named on the command line: then it is a mistake if there is no such file. */
  readonly isPolicyNamed?: boolean;
  readonly connectUri: string;
  /** A folder in place of libvirt. */
  readonly inventoryFolder?: string;
  readonly onGuest?: LiveLibvirtOptions["onGuest"];
}

export function openSources(settings: SourceSettings): Sources {
  const policy = new PolicyFiles(settings.policyFile, settings.isPolicyNamed);
  const folder = settings.inventoryFolder;
  const theirs = folder === undefined ? libvirtFilterFolder : join(folder, "nwfilter");
  const filters = new FilterFolders(ownFilterFolder(settings.policyFile), theirs);
  if (folder === undefined) {
    const libvirt = new LiveLibvirt(settings.connectUri, { onGuest: settings.onGuest });
    const learned = new GuestWord((...about) => askAgent(settings.connectUri, ...about));
    const close = (): void => {
      learned.close();
      libvirt.close();
    };
    return { policy, libvirt, host: new IpHost(), learned, filters, close };
  }
  return {
    policy,
    libvirt: new DirectoryLibvirt(folder),
    host: new FileHost(join(folder, "host.json"), new IpHost()),
    learned: new GuestWord(),
    filters,
    close: () => undefined,
  };
}

/** Where `nwfilter define` writes: beside the policy, and written by hand like it. */
export function ownFilterFolder(policyFile: string): string {
  return join(dirname(policyFile), "nwfilter");
}
