import { defined } from "../base/defined.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import type { BridgeFacts, HostInterface, Inventory } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import {
  libvirtFile,
  replaceText,
  type LibvirtTexts,
  type SourceText,
} from "../model/source-text.ts";
import { parseInventory } from "../parse/inventory.ts";
import {
  printParsedTexts,
  readParsedTexts,
  type ParsedText,
  type ParsedTexts,
} from "../parse/parsed-text.ts";
import { parsePolicy } from "../parse/policy.ts";
import {
  SourceError,
  type FilterSource,
  type FilterTexts,
  type HostSource,
  type LearnedFacts,
  type LearnedSource,
  type LibvirtSource,
  type PolicySource,
} from "../ports/sources.ts";
import type { SavedState } from "../ports/state.ts";
import {
  decide,
  problemsOf,
  type Decision,
  type Desired,
  type Written,
} from "../reconcile/decide.ts";
import { HookedGuests, type GuestIdentity } from "./hooked-guests.ts";
import { SeenTaps } from "./seen-taps.ts";

export interface SourcePorts {
  readonly policy: PolicySource;
  readonly libvirt: LibvirtSource;
  readonly host: HostSource;
  /** Absent: guests are not asked and not watched. */
  readonly learned?: LearnedSource;
  /** Absent: there are no filters but those that everybody has. */
  readonly filters?: FilterSource;
}

export type SourceName = keyof SourcePorts;

/** libvirt writes it right after the name, in which it escapes `<` (network_conf.c). */
const networkUuid = /<uuid>([0-9a-f-]{36})<\/uuid>/;

/** What was read last from each source, and what follows from it. */
export class Beliefs {
  readonly #sources: SourcePorts;
  #policyTexts: readonly SourceText[] | undefined;
  #libvirtTexts: LibvirtTexts | undefined;
  #interfaces: readonly HostInterface[] | undefined;
  #learned: LearnedFacts | undefined;
  #filterTexts: FilterTexts = noFilters;
  #goodFilterTexts: FilterTexts = noFilters;
  #policy: Pick<ReturnType<typeof parsePolicy>, "policy" | "problems"> | undefined;
  /** Of the policy's files, each as it was YAML last: what a changed text has in common with it is not parsed again. */
  #parsedTexts: readonly ParsedText[] | undefined;
  #isParsedSaved = true;
  #passedOver: readonly Problem[] = [];
  #last: Pick<Desired, "policy" | "inventory"> | undefined;
  /** Not understood yet: mostly it is what is written now, which is parsed once. */
  #remembered: SavedState | undefined;
  #written: Written | undefined;
  #decision: Decision | undefined;
  #isStale = false;
  #bridges: BridgeFacts | undefined;
  readonly #taps = new SeenTaps();
  readonly #hookedNetworks = new Map<string, string>();
  #hasReadLibvirt = false;
  readonly #hooked = new HookedGuests();

  constructor(sources: SourcePorts) {
    this.#sources = sources;
  }

  get decision(): Decision | undefined {
    return this.#decision;
  }

  get policyTexts(): readonly SourceText[] {
    return this.#policyTexts ?? [];
  }

  /** Of the filters that are in force. */
  get filterTexts(): FilterTexts {
    return this.#goodFilterTexts;
  }

  /** What the next process need not parse, while the policy has no errors; undefined when nothing of it is new. */
  printParsed(): string | undefined {
    if (this.#isParsedSaved || this.#parsedTexts === undefined) return undefined;
    return printParsedTexts(this.#parsedTexts);
  }

  parsedIsSaved(): void {
    this.#isParsedSaved = true;
  }

  /** What was in force before this process: it holds while what is written now has errors. */
  remember(saved: SavedState): void {
    this.#remembered = saved;
  }

  /** Whether the guest of this name is in what is desired. */
  knows(guest: string): boolean {
    return this.#decision?.desired?.inventory.guests.some(({ name }) => name === guest) ?? false;
  }

  /** A hook's word on a guest: its live XML, or that it is gone. It counts until libvirt's own listing says the same, or does not for a minute. */
  hear(guest: GuestIdentity, text: string | undefined): void {
    this.#hooked.hear(guest, text);
    this.#sources.libvirt.expectChange({ kind: "guest", name: guest.name });
    this.#isStale = true;
  }

  /** Since this was last asked. */
  takeMovedTaps(): ReturnType<SeenTaps["takeMoved"]> {
    return this.#taps.takeMoved();
  }

  /** Of these taps those that are there and that no guest names. */
  unclaimed(taps: readonly InterfaceName[]): InterfaceName[] {
    const guests = this.#decision?.desired?.inventory.guests ?? [];
    const claimed = new Set(guests.flatMap(({ nics }) => nics.map(({ tap }) => tap)));
    return taps.filter((tap) => this.#taps.has(tap) && !claimed.has(tap));
  }

  /** A hook's word on a network. libvirt's own listing, once there is any, is believed alone. */
  hearNetwork(name: string, text: string | undefined): void {
    this.#hookedNetworks.delete(name);
    if (text !== undefined && !this.#hasReadLibvirt) this.#hookedNetworks.set(name, text);
  }

  get hasReadLibvirt(): boolean {
    return this.#hasReadLibvirt;
  }

  /** What hooks have said stands for libvirt's listing until there is one. */
  actOnHooksAlone(): void {
    if (this.#hasReadLibvirt) return;
    const networks = [...this.#hookedNetworks].map(([name, text]) => ({
      file: libvirtFile("network", { name, uuid: networkUuid.exec(text)?.[1] ?? "unnamed" }),
      text,
    }));
    this.#libvirtTexts = { networks, guests: [], leases: [] };
    this.#isStale = true;
  }

  /** After this time libvirt's listing alone is believed. */
  get hookLifetimeMs(): number {
    return this.#hooked.lifetimeMs;
  }

  /** Throws what the source throws; what was read before then stays. */
  async read(source: SourceName): Promise<void> {
    switch (source) {
      case "policy":
        return this.#takePolicy(await this.#sources.policy.read());
      case "libvirt":
        return this.#readLibvirt();
      case "host":
        return this.#takeHost(await this.#sources.host.read());
      case "learned":
        return this.#takeLearned(await this.#sources.learned?.read());
      case "filters":
        return this.#takeFilters(await this.#sources.filters?.read());
    }
  }

  /** What would be wrong if the text stood in place of a policy file, or beside them, and what is now. */
  examine(
    text: SourceText,
  ): { problems: readonly Problem[]; before: readonly Problem[] } | undefined {
    const written = this.#written;
    if (written === undefined) return undefined;
    const texts = replaceText(this.policyTexts, text);
    const { policy, problems } = parsePolicy(texts, this.#knownTexts());
    const policyProblems = [...problems, ...this.#passedOver];
    return {
      problems: problemsOf({ ...written, policy, policyProblems }),
      before: problemsOf(written),
    };
  }

  /** Decides anew where something that was read has changed. True if so. Needs every source to have been read once. */
  reconsider(): boolean {
    if (!this.#isStale || !this.#policy || !this.#libvirtTexts || !this.#interfaces) return false;
    this.#isStale = false;
    const { policy, problems } = this.#policy;
    const policyProblems = [...problems, ...this.#passedOver];
    const guests = this.#hooked.applyTo(this.#libvirtTexts.guests);
    const texts = { ...this.#libvirtTexts, ...this.#filterTexts, guests };
    const { inventory, problems: inventoryProblems } = parseInventory(texts, this.#interfaces);
    const { networks, leases, filters } = texts;
    const files = [networks, guests, leases, filters].flat().map(({ file }) => file);
    const last = this.#last ?? this.#recall();
    this.#written = {
      policy,
      policyProblems,
      inventory: this.#withHost({ ...inventory, ...this.#learned }),
      inventoryProblems,
      inventoryFiles: new Set(files),
    };
    this.#decision = decide(this.#written, last);
    this.#last = this.#decision.desired ?? last;
    if (this.#decision.inForce === "current" && !this.#decision.keepsFilters) {
      this.#goodFilterTexts = this.#filterTexts;
    }
    return true;
  }

  /** br_netfilter comes and goes without an event. */
  takeBridges(facts: BridgeFacts): void {
    if (JSON.stringify(facts) === JSON.stringify(this.#bridges)) return;
    this.#isStale = true;
    this.#bridges = facts;
  }

  #withHost(inventory: Inventory): Inventory {
    const { all, fresh } = this.#taps;
    const unsettled = this.#hasReadLibvirt ? fresh : all;
    const freshTaps = unsettled.length === 0 ? undefined : unsettled;
    return {
      ...inventory,
      host: defined({ ...inventory.host, bridges: this.#bridges, freshTaps }),
    };
  }

  #recall(): Pick<Desired, "policy" | "inventory"> | undefined {
    const saved = this.#remembered;
    this.#remembered = undefined;
    if (saved === undefined) return undefined;
    const texts = saved.policy;
    const isWrittenNow = this.#policyTexts !== undefined && isSame(this.#policyTexts, texts);
    const { policy, problems } =
      (isWrittenNow && this.#policy) || parsePolicy(texts, readParsedTexts(saved.parsed ?? ""));
    if (hasError(problems)) return undefined;
    this.#goodFilterTexts = saved.filters ?? noFilters;
    const nothing = { networks: [], guests: [], leases: [] };
    return { policy, inventory: parseInventory({ ...nothing, ...saved.filters }, []).inventory };
  }

  async #readLibvirt(): Promise<void> {
    const began = performance.now();
    const { named } = this.#taps;
    const texts = await this.#sources.libvirt.read();
    if (texts.isRepeated) return;
    if (texts.late !== undefined) {
      this.#takeLibvirt(texts);
      throw new SourceError(texts.late);
    }
    if (!this.#hasReadLibvirt) this.#isStale = true;
    this.#hasReadLibvirt = true;
    this.#hookedNetworks.clear();
    if (this.#hooked.settle(texts.guests, began)) this.#isStale = true;
    if (this.#taps.settle(named)) this.#isStale = true;
    this.#takeLibvirt(texts);
  }

  #takePolicy(texts: readonly SourceText[]): void {
    const before = this.#policyTexts;
    const { passedOver = [] } = this.#sources.policy;
    if (JSON.stringify(passedOver) !== JSON.stringify(this.#passedOver)) this.#isStale = true;
    this.#passedOver = passedOver;
    if (before && isSame(before, texts)) return;
    const lost =
      texts.length === 0 ? this.#lostPolicy(before ?? this.#remembered?.policy ?? []) : undefined;
    const known = this.#knownTexts();
    const { policy, problems, parsedTexts } = parsePolicy(texts, known);
    this.#policyTexts = texts;
    this.#policy = { policy, problems: lost ? [lost] : problems };
    const isAllKnown = parsedTexts.every(
      ({ source, tree }) => known.get(source.file)?.tree === tree,
    );
    this.#isParsedSaved &&= isAllKnown;
    const parsed = new Map(parsedTexts.map((each) => [each.source.file, each]));
    const files = texts.map(({ file }) => parsed.get(file) ?? known.get(file));
    this.#parsedTexts = files.filter((each) => each !== undefined);
    this.#isStale = true;
  }

  #knownTexts(): ParsedTexts {
    if (this.#parsedTexts === undefined) return readParsedTexts(this.#remembered?.parsed ?? "");
    return new Map(this.#parsedTexts.map((each) => [each.source.file, each]));
  }

  /** A file that is gone (a mount, an editor, a mistyped name) takes back nothing: an empty one does. */
  #lostPolicy(before: readonly SourceText[]): Problem | undefined {
    const held = before.find(({ text }) => text.trim() !== "");
    const file = this.#sources.policy.demanded ?? held?.file;
    if (file === undefined) return undefined;
    const at = { file, line: 1, column: 1 };
    const message = held ? `the policy is gone: there is no ${file}` : `there is no policy ${file}`;
    const hint = "for an empty policy make an empty file";
    return { code: "POLICY_GONE", severity: "error", at, message, hint };
  }

  #takeLibvirt(texts: LibvirtTexts): void {
    const old = this.#libvirtTexts;
    if (
      old &&
      isSame(old.networks, texts.networks) &&
      isSame(old.guests, texts.guests) &&
      isSame(old.leases, texts.leases) &&
      !this.#endsLease(texts.readAt ?? 0)
    ) {
      return;
    }
    this.#libvirtTexts = {
      networks: keepSame(old?.networks, texts.networks),
      guests: keepSame(old?.guests, texts.guests),
      leases: keepSame(old?.leases, texts.leases),
      ...(texts.readAt !== undefined && { readAt: texts.readAt }),
    };
    this.#isStale = true;
  }

  /** Of leases that counted at the last decision: nobody strikes one out where libvirt's DHCP server has ended before it. */
  #endsLease(now: number): boolean {
    const leases = this.#decision?.desired?.inventory.leases ?? [];
    return leases.some(({ expires, hasEnded }) => !hasEnded && expires > 0 && expires <= now);
  }

  /** Most neighbours are nobody's whom we know, and change without end. */
  #takeLearned(facts: LearnedFacts | undefined): void {
    const guests = this.#decision?.desired?.inventory.guests ?? [];
    const macs = new Set<string>(guests.flatMap(({ nics }) => nics.map(({ mac }) => mac)));
    const concerning = (all: LearnedFacts | undefined) =>
      JSON.stringify([
        all?.agentAddresses ?? [],
        all?.neighbours.filter(({ mac }) => macs.has(mac)) ?? [],
      ]);
    if (JSON.stringify(facts) === JSON.stringify(this.#learned)) return;
    if (concerning(facts) !== concerning(this.#learned)) this.#isStale = true;
    this.#learned = facts;
  }

  #takeFilters(texts: FilterTexts = noFilters): void {
    const { filters, ownFilters } = this.#filterTexts;
    if (isSame(filters, texts.filters) && isSame(ownFilters, texts.ownFilters)) return;
    this.#filterTexts = {
      filters: keepSame(filters, texts.filters),
      ownFilters: keepSame(ownFilters, texts.ownFilters),
    };
    this.#isStale = true;
  }

  #takeHost(interfaces: readonly HostInterface[]): void {
    const before = this.#interfaces;
    if (before && JSON.stringify(interfaces) === JSON.stringify(before)) return;
    this.#taps.see(interfaces);
    if (!before || hostText(interfaces) !== hostText(before)) this.#isStale = true;
    this.#interfaces = interfaces;
  }
}

/** What may be decided by. */
function hostText(interfaces: readonly HostInterface[]): string {
  return JSON.stringify(interfaces, (key, value: unknown) =>
    key === "isHairpin" ? undefined : value,
  );
}

function hasError(problems: readonly Problem[]): boolean {
  return problems.some(({ severity }) => severity === "error");
}

const noFilters: FilterTexts = { filters: [], ownFilters: [] };

/**
 * The texts, each as the object that was read before where it says the same, and all of them as the list that was: what follows from
 * them is remembered by object.
 */
function keepSame(
  old: readonly SourceText[] = [],
  texts: readonly SourceText[],
): readonly SourceText[] {
  if (isSame(old, texts)) return old;
  const before = new Map(old.map((text) => [text.file, text]));
  return texts.map((text) => {
    const known = before.get(text.file);
    return known?.text === text.text ? known : text;
  });
}

function isSame(a: readonly SourceText[], b: readonly SourceText[]): boolean {
  return (
    a.length === b.length &&
    a.every((text, index) => text.file === b[index]?.file && text.text === b[index]?.text)
  );
}
