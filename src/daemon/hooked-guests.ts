import { libvirtFile, type SourceText } from "../model/source-text.ts";
import { parseGuestXml } from "../parse/guest-xml.ts";

export interface GuestIdentity {
  readonly name: string;
  /** Empty where it is not known. */
  readonly uuid: string;
}

interface Heard extends GuestIdentity {
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
    const others = this.#heard.filter((heard) => !isSame(heard, guest));
    this.#heard = [...others, { name, uuid, text, at: performance.now() }];
  }

  /**
   * libvirt's listing, as of a moment at which the reading began: whatever was heard before that and is in it, or was gone, is settled,
   * and so is what has not come into it for too long. Without a listing nothing is: where many guests start by themselves libvirt answers
   * nobody for minutes.
   */
  settle(listed: readonly SourceText[], began: number): boolean {
    if (this.#heard.length === 0) return false;
    const identities = listed.map(identityOf);
    const kept = this.#heard.filter(
      ({ at, text, ...guest }) =>
        at >= began ||
        (text !== undefined &&
          began - at <= this.#lifetimeMs &&
          !identities.some((other) => isSame(guest, other))),
    );
    const isChanged = kept.length !== this.#heard.length;
    this.#heard = kept;
    return isChanged;
  }

  /** The listing with what was heard in the place of what it says of the same guests. */
  applyTo(listed: readonly SourceText[]): readonly SourceText[] {
    if (this.#heard.length === 0) return listed;
    const guests = listed.map((source) => ({ source, ...identityOf(source) }));
    const others = guests.filter((guest) => !this.#heard.some((heard) => isSame(heard, guest)));
    const present = this.#heard.flatMap((heard) => {
      if (heard.text === undefined) return [];
      // Under the name of the text that it replaces, so that a mistake in it leaves what that text said in force.
      const before = guests.find((guest) => isSame(guest, heard));
      return { file: before?.source.file ?? libvirtFile("guest", heard), text: heard.text };
    });
    return [...others.map(({ source }) => source), ...present];
  }
}

/** As the inventory sees it: neither may occur twice. */
function isSame(a: GuestIdentity, b: GuestIdentity): boolean {
  return a.name === b.name || (a.uuid !== "" && a.uuid === b.uuid);
}

/** libvirt writes both first, so that nothing that a guest's owner chose can stand before them. */
const headPattern =
  /^\s*<domain [^<>]*>\s*<name>([^<&]*)<\/name>\s*<uuid>([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})<\/uuid>/;

function identityOf(source: SourceText): GuestIdentity {
  const [, name, uuid] = headPattern.exec(source.text) ?? [];
  if (name !== undefined && uuid !== undefined) return { name, uuid };
  return parseGuestXml(source).guest ?? { name: "", uuid: "" };
}
