/** What libvirt has hooks for that concern us: guests of QEMU, and networks. */
export const hookDrivers = ["qemu", "network"] as const;

export type HookDriver = (typeof hookDrivers)[number];

/** One call of a hook by libvirt (its docs/hooks.rst), as the client handed it over. */
export interface HookCall {
  readonly driver: HookDriver;
  /** The guest's or network's name. Nobody has checked it. */
  readonly object: string;
  readonly operation: string;
  readonly subOperation: string;
  readonly extra: string;
  /** What libvirt wrote to the hook's standard input. */
  readonly xml: string;
  /** Why nothing may be made of it. */
  readonly fault?: string;
}

/** What the caller is told. Only `ready` promises that the kernel holds the guest's rules, or that the call needs none. */
export type HookResult =
  { readonly state: "ready" } | { readonly state: "failed"; readonly reason: string };

/** The client hands over no more of libvirt's XML than this: libvirt itself sends no longer string (REMOTE_STRING_MAX). */
export const hookXmlLimitBytes = 4 * 1024 * 1024;

const wordLimit = 4;

/**
 * Words and XML travel as hex of their bytes: a shell or perl without modules can write that, whatever the bytes are. Undefined for
 * what is no hook call. XML that is null was longer than {@link hookXmlLimitBytes}.
 */
export function readHookCall(value: Partial<Record<string, unknown>>): HookCall | undefined {
  const { driver, words, xml } = value;
  const known = hookDrivers.find((name) => name === driver);
  if (known === undefined || !Array.isArray(words) || words.length > wordLimit) return undefined;
  const hexTexts = [...(words as unknown[]), xml === null ? "" : xml];
  if (!hexTexts.every(isHex)) return undefined;
  const texts = hexTexts.map(textOf);
  const body = texts.pop();
  const [object, operation = "", subOperation = "", extra = ""] = texts.map(({ text }) => text);
  if (object === undefined || body === undefined) return undefined;
  const isForeign = [...texts, body].some(({ isUtf8 }) => !isUtf8);
  const fault =
    xml === null
      ? `its XML is longer than ${hookXmlLimitBytes} bytes`
      : isForeign
        ? "its name or XML is not UTF-8"
        : undefined;
  return {
    driver: known,
    object,
    operation,
    subOperation,
    extra,
    xml: body.text,
    ...(fault !== undefined && { fault }),
  };
}

function isHex(word: unknown): word is string {
  return typeof word === "string" && word.length % 2 === 0 && !/[^0-9a-f]/.test(word);
}

function textOf(hex: string): { text: string; isUtf8: boolean } {
  const bytes = Buffer.from(hex, "hex");
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes), isUtf8: true };
  } catch {
    return { text: bytes.toString("utf8"), isUtf8: false };
  }
}
