import { StateError, type SavedState, type StateStore } from "./state.ts";

export class FakeState implements StateStore {
  saved: SavedState | undefined;
  required: readonly string[] | undefined;
  isDiskFull = false;

  load(): Promise<SavedState | undefined> {
    return Promise.resolve(this.saved);
  }

  save(state: SavedState): Promise<void> {
    if (this.isDiskFull) return Promise.reject(new StateError("no space left on the disk"));
    this.saved = state;
    return Promise.resolve();
  }

  saveRequired(guests: readonly string[]): Promise<void> {
    if (this.isDiskFull) return Promise.reject(new StateError("no space left on the disk"));
    this.required = guests;
    return Promise.resolve();
  }
}
