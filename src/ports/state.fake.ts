import {
  StateError,
  type AdoptionStore,
  type GuestAdoptionStore,
  type SavedAdoption,
  type SavedGuestAdoption,
  type SavedState,
  type StateStore,
} from "./state.ts";

export class FakeState implements StateStore, AdoptionStore, GuestAdoptionStore {
  adoptions: readonly SavedAdoption[] = [];
  guestAdoptions: readonly SavedGuestAdoption[] = [];
  saved: SavedState | undefined;
  required: readonly string[] | undefined;
  boot: string | undefined;
  isDiskFull = false;

  load(): Promise<SavedState | undefined> {
    return Promise.resolve(this.saved);
  }

  save(state: SavedState): Promise<void> {
    if (this.isDiskFull) return Promise.reject(new StateError("no space left on the disk"));
    this.saved = state;
    return Promise.resolve();
  }

  loadAdoptions(): Promise<readonly SavedAdoption[]> {
    return Promise.resolve(this.adoptions);
  }

  saveAdoption(adoption: SavedAdoption): Promise<void> {
    if (this.isDiskFull) return Promise.reject(new StateError("no space left on the disk"));
    this.adoptions = [...this.adoptions, adoption];
    return Promise.resolve();
  }

  removeAdoption(network: string): Promise<void> {
    this.adoptions = this.adoptions.filter((adoption) => adoption.network !== network);
    return Promise.resolve();
  }

  loadGuestAdoptions(): Promise<readonly SavedGuestAdoption[]> {
    return Promise.resolve(this.guestAdoptions);
  }

  saveGuestAdoption(adoption: SavedGuestAdoption): Promise<void> {
    if (this.isDiskFull) return Promise.reject(new StateError("no space left on the disk"));
    this.guestAdoptions = [...this.guestAdoptions, adoption];
    return Promise.resolve();
  }

  removeGuestAdoption(uuid: string): Promise<void> {
    this.guestAdoptions = this.guestAdoptions.filter((adoption) => adoption.uuid !== uuid);
    return Promise.resolve();
  }

  saveBoot(script: string): Promise<void> {
    if (this.isDiskFull) return Promise.reject(new StateError("no space left on the disk"));
    this.boot = script;
    return Promise.resolve();
  }

  saveRequired(guests: readonly string[]): Promise<void> {
    if (this.isDiskFull) return Promise.reject(new StateError("no space left on the disk"));
    this.required = guests;
    return Promise.resolve();
  }
}
