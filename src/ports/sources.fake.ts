import type { HostInterface } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import {
  SourceError,
  type FilterSource,
  type FilterTexts,
  type ExpectedChange,
  type HostSource,
  type LibvirtSource,
  type LibvirtTexts,
  type PolicySource,
  type SourceText,
} from "./sources.ts";

/** A source whose answer is set by hand. Setting it, and making it fail, is a change its watchers see. */
class FakeSource<Answer> {
  readonly #listeners = new Set<() => void>();
  #answer: Answer;
  #failure: SourceError | undefined;

  constructor(answer: Answer) {
    this.#answer = answer;
  }

  set(answer: Answer): void {
    this.#answer = answer;
    this.#failure = undefined;
    this.#tell();
  }

  fail(message: string): void {
    this.#failure = new SourceError(message);
    this.#tell();
  }

  read(): Promise<Answer> {
    return this.#failure ? Promise.reject(this.#failure) : Promise.resolve(this.#answer);
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

export class FakePolicy extends FakeSource<readonly SourceText[]> implements PolicySource {
  demanded: string | undefined;
  passedOver: readonly Problem[] = [];

  setText(text: string): void {
    this.set([{ file: "policy.yaml", text }]);
  }
}

export class FakeLibvirt extends FakeSource<LibvirtTexts> implements LibvirtSource {
  readonly expected: ExpectedChange[] = [];

  expectChange(change: ExpectedChange): void {
    this.expected.push(change);
  }
}

export class FakeFilters extends FakeSource<FilterTexts> implements FilterSource {}

export class FakeHost extends FakeSource<readonly HostInterface[]> implements HostSource {}
