import { unreachable } from "../../base/unreachable.ts";
import type { ExpectedChange, SourceText } from "../../ports/sources.ts";

interface Known {
  readonly source: SourceText;
  /** Absent where the XML writes it otherwise than an event does. */
  readonly name: string | undefined;
}

/** libvirt writes it first, so that nothing that a guest's owner chose can stand before it. */
const namePattern = /^\s*<domain [^<>]*>\s*<name>([^<&'\p{Cc}]*)<\/name>/u;
/** `virsh event --all` (9.0, 11.3). A name with an apostrophe, which ends early here, is written otherwise in XML. */
const eventPattern = /^event '[a-z-]+' for domain '([^']*)'/;

/** libvirt writes more behind the name of a disk's target. */
const tapPattern = /<target dev='([^']+)'\/>/g;

/** XML of the guests that run, by UUID, and what was heard about them since they were asked for. */
export class KnownGuests {
  #known: ReadonlyMap<string, Known> = new Map();
  #texts: readonly SourceText[] = [];
  #isAllStale = true;
  #names = new Set<string>();
  #taps = new Set<string>();
  /** Since libvirt listed all guests last. */
  readonly #goneTaps = new Set<string>();

  get isStale(): boolean {
    return this.#isAllStale || this.#names.size > 0 || this.#taps.size > 0;
  }

  get texts(): readonly SourceText[] {
    return this.#texts;
  }

  /** As it was taken last. */
  find(uuid: string): SourceText | undefined {
    return this.#known.get(uuid)?.source;
  }

  expect(change: ExpectedChange): void {
    switch (change.kind) {
      case "everything":
        this.#isAllStale = true;
        return;
      case "networks":
        return;
      case "guest":
        this.#names.add(change.name);
        return;
      case "taps":
        for (const tap of change.taps) this.#taps.add(tap);
        for (const tap of change.taps) this.#goneTaps.delete(tap);
        for (const tap of change.gone) this.#goneTaps.add(tap);
        return;
      default:
        return unreachable(change);
    }
  }

  /** A line that `virsh event` printed. Those that begin with a space belong to the one before. */
  hear(line: string): void {
    const name = eventPattern.exec(line)?.[1];
    if (name !== undefined) this.expect({ kind: "guest", name });
    else if (/^\S/.test(line)) this.expect({ kind: "everything" });
  }

  /** It had taps, and the host has none of them any more. */
  hasLostTaps(uuid: string): boolean {
    const taps = [...(this.find(uuid)?.text ?? "").matchAll(tapPattern)];
    return taps.length > 0 && taps.every(([, tap]) => tap && this.#goneTaps.has(tap));
  }

  /** Of those that run, by UUID. */
  get sources(): Map<string, SourceText> {
    return sourcesOf([...this.#known]);
  }

  /** The guests of which nothing was heard. What is heard from now on concerns the next time. */
  takeKept(): ReadonlyMap<string, SourceText> {
    const [isAllStale, names, taps] = [this.#isAllStale, this.#names, this.#taps];
    this.#isAllStale = false;
    this.#names = new Set();
    this.#taps = new Set();
    if (isAllStale) return new Map();
    const targets = [...taps].map((tap) => `<target dev='${tap}'`);
    const isKept = ({ name, source }: Known) =>
      name !== undefined &&
      !names.has(name) &&
      !targets.some((target) => source.text.includes(target));
    const kept = [...this.#known].filter(([, known]) => isKept(known));
    return sourcesOf(kept);
  }

  /** By a listing of all of them. */
  takeWhole(sources: ReadonlyMap<string, SourceText>): void {
    this.#goneTaps.clear();
    this.take(sources);
  }

  /** These run, and no others. */
  take(sources: ReadonlyMap<string, SourceText>): void {
    const known = [...sources].map(([uuid, source]): [string, Known] => {
      const before = this.#known.get(uuid);
      if (before?.source === source) return [uuid, before];
      return [uuid, { source, name: namePattern.exec(source.text)?.[1] }];
    });
    this.#known = new Map(known);
    this.#texts = [...sources.values()];
  }
}

function sourcesOf(known: readonly (readonly [string, Known])[]): Map<string, SourceText> {
  return new Map(known.map(([uuid, { source }]) => [uuid, source]));
}
