import { shellWord } from "../base/shell-word.ts";
import type { GuestControl, GuestSide } from "../ports/guests.ts";
import { SourceError } from "../ports/sources.ts";
import { StateError, type GuestAdoptionStore, type SavedGuestAdoption } from "../ports/state.ts";
import { AdoptionError, steppingBack, type SteppingBack, type Undo } from "./step-back.ts";

export interface GuestAdoptionPorts {
  readonly guests: Pick<GuestControl, "updateNic" | "setMetadata">;
  readonly store: GuestAdoptionStore;
  readonly daemon: {
    /** Resolves once the kernel holds what is written; throws {@link AdoptionError} where it does not. */
    converge(): Promise<void>;
    /** Throws {@link AdoptionError} unless every nic that is adopted is judged by virtwall's tables. */
    expectEnforced(): Promise<void>;
  };
  /** Told before each step. */
  tell(step: string): void;
}

/** An element of a guest's XML on one side, as it is and as it is to be. */
export interface NicChange {
  readonly side: GuestSide;
  readonly before: string;
  readonly after: string;
}

export interface MetadataChange {
  readonly side: GuestSide;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

export interface GuestChange {
  readonly nics: readonly NicChange[];
  readonly metadata: readonly MetadataChange[];
}

/**
 * The guest's filters become virtwall's: our tables judge its nics first, and only then libvirt's rules go, so that for a moment both
 * judge and never nobody. A step that fails undoes those before it; one that cannot be undone keeps them, so that a nic that has none of
 * libvirt's rules keeps ours.
 */
export async function adoptGuest(
  adoption: SavedGuestAdoption,
  change: GuestChange,
  ports: GuestAdoptionPorts,
): Promise<void> {
  const { guest, uuid } = adoption;
  await steppingBack(backBy(guest), async (undo) => {
    ports.tell("saving what libvirt's XML says");
    await ports.store.saveGuestAdoption(adoption);
    undo.push(["the backup", () => ports.store.removeGuestAdoption(uuid)]);
    ports.tell("writing the bindings into the guest's metadata");
    await changeMetadata({ uuid, undo, ports }, change.metadata);
    await ports.daemon.converge();
    await ports.daemon.expectEnforced();
    ports.tell("taking libvirt's rules away");
    await changeNics({ uuid, undo, ports }, change.nics);
  });
  await ports.daemon.converge();
}

/** The way back: libvirt's rules first, then ours go. */
export async function giveGuestBack(
  { guest, uuid }: Pick<SavedGuestAdoption, "guest" | "uuid">,
  change: GuestChange,
  ports: GuestAdoptionPorts,
): Promise<void> {
  await steppingBack(backBy(guest), async (undo) => {
    ports.tell("giving the nics their former filters");
    await changeNics({ uuid, undo, ports }, change.nics);
    ports.tell("taking the bindings out of the guest's metadata");
    await changeMetadata({ uuid, undo, ports }, change.metadata);
    await ports.daemon.converge();
    await ports.store.removeGuestAdoption(uuid);
  });
}

interface Steps {
  readonly uuid: string;
  readonly undo: Undo[];
  readonly ports: GuestAdoptionPorts;
}

async function changeMetadata(
  { uuid, undo, ports }: Steps,
  changes: readonly MetadataChange[],
): Promise<void> {
  for (const { side, before, after } of changes) {
    undo.push(["the metadata", () => ports.guests.setMetadata(uuid, side, before)]);
    await ports.guests.setMetadata(uuid, side, after);
  }
}

async function changeNics(
  { uuid, undo, ports }: Steps,
  changes: readonly NicChange[],
): Promise<void> {
  for (const { side, before, after } of changes) {
    undo.push(["a nic", () => ports.guests.updateNic(uuid, side, before)]);
    await ports.guests.updateNic(uuid, side, after);
  }
}

function backBy(guest: string): SteppingBack {
  return {
    refusals: [AdoptionError, SourceError, StateError],
    later: `virtwall nwfilter adopt ${shellWord(guest)} --undo`,
  };
}
