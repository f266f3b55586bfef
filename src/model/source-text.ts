/** A text that somebody wrote, with the name under which problems speak of it. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
  /** Why there is no text, where the file stands there and cannot be read. */
  readonly unread?: string;
}

/** The texts with one of them replaced, or added at its place: the policy's main file stands first. */
export function replaceText(texts: readonly SourceText[], replaced: SourceText): SourceText[] {
  return texts.some(({ file }) => file === replaced.file)
    ? texts.map((text) => (text.file === replaced.file ? replaced : text))
    : [replaced, ...texts];
}

/** What libvirt says, as it says it: what the texts mean is decided by the parse room. */
export interface LibvirtTexts {
  /** Live XML of the networks that run. */
  readonly networks: readonly SourceText[];
  /** Live XML of the guests that run. */
  readonly guests: readonly SourceText[];
  /** libvirt's dnsmasq helper's files `BRIDGE.status`. */
  readonly leases: readonly SourceText[];
  /** When that was, in seconds since the epoch. Absent: texts that mean the same at any time. */
  readonly readAt?: number;
  /** Filters: those of libvirt's own folder, and those defined through virtwall, which win. Absent: nobody looked. */
  readonly filters?: readonly SourceText[];
  readonly ownFilters?: readonly SourceText[];
}
