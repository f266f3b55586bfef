import type { GuestSide } from "./guests.ts";
import type { FilterTexts, SourceText } from "./sources.ts";

/** What was in force last, so that a restart into a policy with a mistake keeps it. */
export interface SavedState {
  /** The policy files as they were written. */
  readonly policy: readonly SourceText[];
  /** The filters' files; absent where an earlier version saved. */
  readonly filters?: FilterTexts;
  /** What was understood of the policy files, for a start that need not parse them. Absent: as it was; nobody relies on it. */
  readonly parsed?: string;
}

export interface StateStore {
  /** Undefined where nothing was saved yet. Throws {@link StateError} when it cannot be read. */
  load(): Promise<SavedState | undefined>;
  /** All of it or nothing: throws {@link StateError} and keeps what was saved before. */
  save(state: SavedState): Promise<void>;
  /** What is to be loaded before any network at the next boot, for nft. Throws as {@link save}. */
  saveBoot(script: string): Promise<void>;
  /** Names of the guests that may not start while the daemon cannot answer, for those who ask while it cannot. Throws as {@link save}. */
  saveRequired(guests: readonly string[]): Promise<void>;
}

/** What a network and the policy were before virtwall made the network its own, for the way back. */
export interface SavedAdoption {
  readonly network: string;
  readonly xml: { readonly before: string; readonly after: string };
  /** Texts of the file that was edited; undefined: there was none. */
  readonly policy: {
    readonly file: string;
    readonly before: string | undefined;
    readonly after: string | undefined;
  };
  /** What was added to the policy, keys as in the file. */
  readonly keys: {
    readonly mode?: string;
    readonly nat?: Readonly<Record<string, string | boolean>>;
  };
}

export interface AdoptionStore {
  /** Of every network that is adopted. Throws {@link StateError} when one cannot be read. */
  loadAdoptions(): Promise<readonly SavedAdoption[]>;
  saveAdoption(adoption: SavedAdoption): Promise<void>;
  removeAdoption(network: string): Promise<void>;
}

/** What libvirt enforced on a guest's nics before virtwall did, for the way back. */
export interface SavedGuestAdoption {
  readonly guest: string;
  readonly uuid: string;
  readonly nics: readonly {
    readonly mac: string;
    /** The `<filterref>` of each side that had one. */
    readonly filterRef: Readonly<Partial<Record<GuestSide, string>>>;
  }[];
  /** The guest's own metadata before and after; absent: it had or has none. */
  readonly metadata: Readonly<
    Partial<Record<GuestSide, { readonly before?: string; readonly after?: string }>>
  >;
}

export interface GuestAdoptionStore {
  /** Of every guest that is adopted. Throws {@link StateError} when one cannot be read. */
  loadGuestAdoptions(): Promise<readonly SavedGuestAdoption[]>;
  saveGuestAdoption(adoption: SavedGuestAdoption): Promise<void>;
  removeGuestAdoption(uuid: string): Promise<void>;
}

export class StateError extends Error {
  override readonly name = "StateError";
}
