import { remembered, rememberedWhile } from "../base/remembered.ts";
import { libvirtFile, type SourceText } from "../model/source-text.ts";
import { parseGuestXml } from "../parse/guest-xml.ts";

export interface GuestIdentity {
  readonly name: string;
  /** Empty where it is not known. */
  readonly uuid: string;
}

interface Heard extends GuestIdentity {
  readonly keys: readonly string[];
  /** Undefined: the guest is gone. */
  readonly text: string | undefined;
  /** On the clock of `performance.now`. */
  readonly at: number;
}

/** Longer than any guest takes from one hook to the next, and then to libvirt's own listing. */
const defaultLifetimeMs = 60_000;

/**
 * What libvirt's hooks said of guests and its own listing does not say yet: before its start a guest is not listed, and to ask about it
 * would wait for the hook's end. Of one guest the last word counts, hook or listing.
 */
export class HookedGuests {
  readonly #lifetimeMs: number;
  #heard: readonly Heard[] = [];

  constructor(lifetimeMs = defaultLifetimeMs) {
    this.#lifetimeMs = lifetimeMs;
  }

  get lifetimeMs(): number {
    return this.#lifetimeMs;
  }

  /** The guest's live XML, or that it is gone. */
  hear(guest: GuestIdentity, text: string | undefined): void {
    const { name, uuid } = guest;
    const keys = keysOf(guest);
    const others = this.#heard.filter((heard) => !heard.keys.some((key) => keys.includes(key)));
    this.#heard = [...others, { name, uuid, keys, text, at: performance.now() }];
  }

  /**
   * libvirt's listing, as of a moment at which the reading began: whatever was heard before that and is in it, or was gone, is settled,
   * and so is what has not come into it for too long. Without a listing nothing is: where many guests start by themselves libvirt answers
   * nobody for minutes.
   */
  settle(listed: readonly SourceText[], began: number): boolean {
    if (this.#heard.length === 0) return false;
    const listedKeys = new Set(listed.flatMap(keysIn));
    const kept = this.#heard.filter(
      ({ at, text, keys }) =>
        at >= began ||
        (text !== undefined &&
          began - at <= this.#lifetimeMs &&
          !keys.some((key) => listedKeys.has(key))),
    );
    const isChanged = kept.length !== this.#heard.length;
    this.#heard = kept;
    return isChanged;
  }

  /** The listing with what was heard in the place of what it says of the same guests. */
  applyTo(listed: readonly SourceText[]): readonly SourceText[] {
    if (this.#heard.length === 0) return listed;
    const heardKeys = new Set(this.#heard.flatMap(({ keys }) => keys));
    const others = listed.filter((source) => !keysIn(source).some((key) => heardKeys.has(key)));
    const sources = new Map(
      listed.flatMap((source) => keysIn(source).map((key) => [key, source] as const)),
    );
    const present = this.#heard.flatMap((heard) => {
      const [replaced] = heard.keys.flatMap((key) => sources.get(key) ?? []);
      return sourceOf(heard, replaced) ?? [];
    });
    return [...others, ...present];
  }
}

/**
 * Under the name of the text that it replaces, so that a mistake in it leaves what that text said in force. The same object each time: what
 * follows from it is remembered by that, and a libvirt that restarts speaks of all its guests.
 */
const sourceOf = rememberedWhile(
  (_heard: Heard, replaced: SourceText | undefined) => [replaced],
  (heard, replaced): SourceText | undefined => {
    const { text } = heard;
    if (text === undefined) return undefined;
    if (text === replaced?.text) return replaced;
    return { file: replaced?.file ?? libvirtFile("guest", heard), text };
  },
);

/** As the inventory sees it: neither may occur twice. */
function keysOf({ name, uuid }: GuestIdentity): readonly string[] {
  return [`name ${name}`, ...(uuid === "" ? [] : [`uuid ${uuid}`])];
}

const keysIn = remembered((source: SourceText) => keysOf(identityOf(source)));

/** libvirt writes both first, so that nothing that a guest's owner chose can stand before them. */
const headPattern =
  /^\s*<domain [^<>]*>\s*<name>([^<&]*)<\/name>\s*<uuid>([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})<\/uuid>/;

function identityOf(source: SourceText): GuestIdentity {
  const [, name, uuid] = headPattern.exec(source.text) ?? [];
  if (name !== undefined && uuid !== undefined) return { name, uuid };
  return parseGuestXml(source).guest ?? { name: "", uuid: "" };
}
