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

/**
 * The name under which problems speak of what libvirt says of a guest or network. A name that is not plain is not repeated; nor is one in
 * the form of a UUID, which would make one text of two guests: names are chosen by others.
 */
export function libvirtFile(
  kind: "guest" | "network",
  { name = "", uuid }: { readonly name?: string | undefined; readonly uuid: string },
): string {
  const isPlain = /^[A-Za-z0-9_.+-]{1,64}$/.test(name) && !uuidPattern.test(name);
  return `libvirt:${kind}/${isPlain ? name : uuid}.xml`;
}

/** As libvirt prints it. */
export const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What libvirt says, as it says it: what the texts mean is decided by the parse room. */
export interface LibvirtTexts {
  /** Live XML of the networks that run. */
  readonly networks: readonly SourceText[];
  /** Live XML of the guests that run. */
  readonly guests: readonly SourceText[];
  /** libvirt's dnsmasq helper's files `BRIDGE.status`. */
  readonly leases: readonly SourceText[];
  /** Why that is not all that libvirt has to say now: of some guests it is what was known last. Absent: it is. */
  readonly late?: string;
  /** It is what was said last, and libvirt was not asked: it may have something else to say by now. */
  readonly isRepeated?: true;
  /** When that was, in seconds since the epoch. Absent: texts that mean the same at any time. */
  readonly readAt?: number;
  /** Filters: those of libvirt's own folder, and those defined through virtwall, which win. Absent: nobody looked. */
  readonly filters?: readonly SourceText[];
  readonly ownFilters?: readonly SourceText[];
}
