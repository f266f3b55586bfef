import type { InterfaceName } from "../base/interface-name.ts";
import type { KernelEvent } from "../ports/kernel.ts";
import type { ExpectedChange } from "../ports/sources.ts";
import type { StateStore } from "../ports/state.ts";
import type { Desired } from "../reconcile/decide.ts";
import { listTaps } from "../reconcile/list-taps.ts";
import { isOwnTable } from "../reconcile/plan-tables.ts";
import { askAgents } from "./ask-agents.ts";
import { Beliefs, type SourcePorts } from "./beliefs.ts";
import { describeDecision } from "./describe-decision.ts";
import { Interruptible } from "./interruptible.ts";
import { Refusals } from "./refusals.ts";
import { namedWithinMs } from "./seen-taps.ts";
import { StateKeeper } from "./state-keeper.ts";
import { passSettingsOf, Upkeep, type Disturbance, type UpkeepPorts } from "./upkeep.ts";

export interface FollowerPorts extends UpkeepPorts {
  readonly sources: SourcePorts;
  readonly state: StateStore;
}

/** What one round came to. */
export interface Outcome {
  /** What was changed in our tables, in words. */
  readonly changes: readonly string[];
  /** What could not be done, of what guests are to have. */
  readonly errors: readonly string[];
  /** The packages to install, where programs are missing. */
  readonly missing: readonly string[];
}

const sourceNames = ["policy", "filters", "libvirt", "host", "learned"] as const;
const kernelNames = ["ownership", "tables", "pass rules", "bridges", "hairpin"] as const;
type Concern =
  | (typeof sourceNames)[number]
  | (typeof kernelNames)[number]
  | "flows"
  | "lost"
  | "hooks"
  | "required"
  | "state";

/** While libvirt waits for the answer to a hook: one may not be asked, the others take their time and say nothing of the guest. */
const canWait = ["libvirt", "host", "learned", "pass rules"] as const;

/** Files are written in several steps, libvirt tells one thing in several events, and routes may change without end. */
const gatherMs = { policy: 15, filters: 15, libvirt: 5, host: 100, learned: 200 } as const;
const firstRetryMs = 250;
const longestRetryMs = 5_000;

/**
 * The one loop: whatever happens marks what may have changed, and a round looks at that and brings the kernel to what follows. Rounds
 * do not overlap. A round that finds nothing different writes nothing, so the kernel's echo of our own commits ends by itself.
 */
export class Follower {
  readonly #ports: FollowerPorts;
  readonly #dirty = new Set<Concern>();
  readonly #refusals: Refusals<Concern>;
  readonly #disturbances = new Map<Concern, Disturbance>();
  readonly #stops: (() => void)[] = [];
  readonly beliefs: Beliefs;
  readonly upkeep: Upkeep;
  readonly #state: StateKeeper;
  /** Kept from the first round after which the kernel holds what is desired. */
  readonly converged: Promise<void>;
  #tellConverged: () => void = () => undefined;
  #waiting: ((outcome: Outcome) => void)[] = [];
  /** libvirt itself waits for these, and may not answer before they are served. */
  #hurried: (() => void)[] = [];
  #isAlone = false;
  /** Not waited for any longer when a hook comes, since libvirt may answer only after we do, and when something of ours is missing. */
  readonly #libvirtReading = new Interruptible();
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Infinity;
  #isRunning = false;
  /** By the round before. */
  #wasPutOff = false;
  #isEnded = false;
  #retryMs = firstRetryMs;
  #retryTimer: NodeJS.Timeout | undefined;
  /** What the kernel was brought to last. */
  #held: Desired | undefined;
  /** With what the pass rules were put last. */
  #passed = "";
  #told = "";

  constructor(ports: FollowerPorts) {
    this.#ports = ports;
    this.#refusals = new Refusals(ports.journal, ["state", "required"]);
    this.beliefs = new Beliefs(ports.sources);
    this.upkeep = new Upkeep(ports);
    this.#state = new StateKeeper(ports.state);
    this.converged = new Promise((resolve) => (this.#tellConverged = resolve));
  }

  get errors(): readonly string[] {
    return this.#refusals.messages;
  }

  /** Whether the kernel took what is desired now. */
  get holdsDesired(): boolean {
    return this.#held === this.beliefs.decision?.desired && !this.#refusals.has("tables");
  }

  /** Starts to watch, and answers what the first round came to. */
  async start(): Promise<Outcome> {
    await this.#refusals.attempt("state", async () => {
      const saved = await this.#state.load();
      if (saved !== undefined) this.beliefs.remember(saved);
    });
    if (this.#isEnded) return { changes: [], errors: [], missing: [] };
    const { sources, kernel } = this.#ports;
    for (const name of sourceNames) {
      const stop = sources[name]?.watch(() => this.#mark(gatherMs[name], name));
      if (stop) this.#stops.push(stop);
    }
    const hear = (): void => this.#mark(this.upkeep.lookDelayMs, "pass rules");
    this.#stops.push(
      kernel.watch((event) => this.#hear(event)),
      this.upkeep.watchOthers(hear),
      this.upkeep.watchLearned(),
    );
    await this.#refusals.attempt("tables", () => this.upkeep.lookForSeal());
    return this.converge();
  }

  /** What the start took on trust is looked at. */
  async makeSure(): Promise<void> {
    if (this.upkeep.isTrusting && !(await this.upkeep.isAsTrusted())) this.#mark(0, "tables");
  }

  /** Looks at everything again, and answers what that came to. */
  converge(): Promise<Outcome> {
    return this.#look(...sourceNames, ...kernelNames);
  }

  /** The same of the policy alone: of all else events tell. */
  takePolicy(): Promise<Outcome> {
    return this.#look("policy");
  }

  #look(...concerns: readonly Concern[]): Promise<Outcome> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#mark(0, ...concerns);
    });
  }

  /** Brings the kernel to what hooks said, without a question to libvirt; resolves once that is done or has failed. */
  hurry(): Promise<void> {
    setTimeout(() => this.#mark(0, "libvirt"), this.beliefs.hookLifetimeMs + 1).unref();
    return new Promise((resolve) => {
      this.#hurried.push(resolve);
      this.#libvirtReading.interrupt();
      this.#mark(0, "hooks");
    });
  }

  /**
   * Before libvirt was ever read. At its own start libvirt answers nobody until it has started the guests that start by themselves, and
   * waits for our answer about each. Hooks alone are believed only while the kernel knows no guest: otherwise guests that no hook
   * speaks of would lose their rules.
   */
  async actWithoutLibvirt(): Promise<void> {
    await this.#refusals.attempt("tables", async () => {
      this.#isAlone ||= listTaps(await this.#ports.kernel.readTables()).length === 0;
      if (this.#isAlone) this.beliefs.actOnHooksAlone();
    });
  }

  /** Something changed in libvirt of which its events may say nothing. */
  expectLibvirt(change: ExpectedChange): void {
    this.#ports.sources.libvirt.expectChange(change);
    this.#mark(gatherMs.libvirt, "libvirt");
  }

  /** The gate ended or came back: whose tables are they now? */
  checkOwnership(): void {
    this.upkeep.forgetOwnership();
    this.#mark(0, "ownership", "tables");
  }

  /** The rules stay. */
  end(): void {
    this.#isEnded = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#retryTimer);
    for (const stop of this.#stops) stop();
  }

  #hear(event: KernelEvent): void {
    if (event.kind === "lost") return this.#mark(0, "lost", "pass rules");
    const by = event.process && `${event.process.name} (pid ${event.process.pid})`;
    const disturbance = { at: performance.now(), ...(by !== undefined && { by }) };
    for (const table of event.tables) {
      const isOwn = isOwnTable(table);
      // Nobody but the gate can change an owned table, and the gate does what we say.
      if (isOwn && this.upkeep.isOwner) continue;
      const concern = isOwn ? "tables" : "pass rules";
      // The first of several: that is when it went missing.
      if (!this.#disturbances.has(concern)) this.#disturbances.set(concern, disturbance);
      if (isOwn) this.#libvirtReading.interrupt();
      this.#mark(isOwn ? 0 : this.upkeep.lookDelayMs, concern);
    }
  }

  #mark(delayMs: number, ...concerns: readonly Concern[]): void {
    for (const concern of concerns) this.#dirty.add(concern);
    if (!this.#isRunning) this.#schedule(delayMs);
  }

  #schedule(delayMs: number): void {
    const dueAt = performance.now() + delayMs;
    if (this.#isEnded || dueAt >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => void this.#run(), delayMs);
  }

  async #run(): Promise<void> {
    this.#dueAt = Infinity;
    this.#isRunning = true;
    const hurried = this.#hurried.splice(0);
    const waiting = this.#waiting.splice(0);
    const dirty = new Set(this.#dirty);
    this.#dirty.clear();
    const putOff = this.#mayPutOff(hurried.length > 0).filter((concern) => dirty.delete(concern));
    for (const concern of putOff) this.#dirty.add(concern);
    this.#wasPutOff = putOff.length > 0;
    const serve = (): void => hurried.splice(0).forEach((resolve) => resolve());
    const changes = await this.#round(dirty, serve);
    this.#isRunning = false;
    serve();
    // Who asked for everything waits until libvirt has answered too.
    if (putOff.length > 0 || this.#libvirtReading.isRunning)
      this.#waiting.unshift(...waiting.splice(0));
    const { harmful: errors, missing } = this.#refusals;
    const outcome = { changes, errors, missing };
    for (const resolve of waiting) resolve(outcome);
    if (this.beliefs.decision?.desired && !this.#refusals.has("tables")) this.#tellConverged();
    const isLook = [...this.#dirty].every((concern) => concern === "pass rules");
    if (this.#dirty.size > 0) this.#schedule(isLook ? this.upkeep.lookDelayMs : 0);
    this.#retryLater();
  }

  /**
   * libvirt may not answer at all, and what others took away of ours is put back all the same. They may take it away without end, and
   * libvirt is asked all the same.
   */
  #mayPutOff(isHurried: boolean): readonly Concern[] {
    const { decision } = this.beliefs;
    if (isHurried) return decision ? canWait : ["libvirt"];
    const isUrgent = this.#disturbances.has("tables") && !this.#wasPutOff;
    return decision?.desired && isUrgent ? ["libvirt"] : [];
  }

  #retryLater(): void {
    clearTimeout(this.#retryTimer);
    const { concerns } = this.#refusals;
    if (concerns.length === 0) {
      this.#retryMs = firstRetryMs;
      return;
    }
    this.#retryTimer = setTimeout(() => this.#mark(0, ...concerns), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs);
  }

  async #round(dirty: ReadonlySet<Concern>, serve: () => void): Promise<readonly string[]> {
    // Beside the sources, since both take their time; what changes in between is told by an event.
    const mayDiffer = dirty.has("tables") || (dirty.has("lost") && !this.upkeep.isOwner);
    // The listing takes longest, so it is begun first.
    const deciding = Promise.resolve().then(() => this.#decide(dirty));
    const likely = deciding.then((decided) => decided?.compiled.tables ?? []);
    const listing = mayDiffer ? this.upkeep.listTables(likely) : undefined;
    listing?.catch(() => undefined);
    const desired = await deciding;
    if (dirty.has("ownership")) {
      await this.#refusals.attempt("ownership", () => this.upkeep.holdOwnership());
    }
    if (!desired) return [];
    const isNew = desired !== this.#held;
    const changes = isNew || listing ? await this.#holdTables(desired, listing) : [];
    await this.#refusals.attempt("required", () => this.#state.saveRequired(desired));
    serve();
    const cut = await this.#endFlows(desired);
    const passed = JSON.stringify(passSettingsOf(desired));
    const isOther = passed !== this.#passed;
    if (isOther || dirty.has("pass rules")) {
      const disturbance = this.#takeDisturbance("pass rules");
      await this.#refusals.attempt("pass rules", async () => {
        const why = { isNew: isOther, disturbance };
        await this.upkeep.holdPassRules(desired, why);
      });
      this.#passed = passed;
    }
    await this.#holdLinks(desired, { isNew, dirty });
    await this.#refusals.attempt("state", () => this.#state.save(this.beliefs));
    return [...changes, ...cut];
  }

  async #decide(dirty: ReadonlySet<Concern>): Promise<Desired | undefined> {
    await this.#read(dirty);
    if (this.beliefs.reconsider()) {
      const { learned } = this.#ports.sources;
      if (await askAgents(learned, this.beliefs.decision, !this.#held)) {
        await this.#refusals.attempt("learned", () => this.beliefs.read("learned"));
        this.beliefs.reconsider();
      }
      this.#tellDecision();
    }
    return this.beliefs.decision?.desired;
  }

  async #holdTables(
    desired: Desired,
    listing: ReturnType<FollowerPorts["kernel"]["readTables"]> | undefined,
  ): Promise<readonly string[]> {
    let changes: readonly string[] = [];
    const isNew = desired !== this.#held;
    const disturbance = this.#takeDisturbance("tables");
    await this.#refusals.attempt("tables", async () => {
      const mayTrust = this.upkeep.isOwner && !listing;
      const why = { isNew, disturbance, mayTrust, listing };
      changes = await this.upkeep.holdTables(desired, why);
      this.#held = desired;
    });
    return changes;
  }

  /** Not before the kernel holds what is desired: the next packet of a flow would be admitted again. */
  async #endFlows(desired: Desired): Promise<readonly string[]> {
    let cut: readonly string[] = [];
    if (this.#held !== desired) return cut;
    await this.#refusals.attempt("flows", async () => {
      cut = await this.upkeep.endFlows(desired);
    });
    return cut;
  }

  async #read(dirty: ReadonlySet<Concern>): Promise<void> {
    const [bridges] = await Promise.all([
      dirty.has("host") ? this.#ports.links.bridges() : undefined,
      ...sourceNames
        .filter((name) => dirty.has(name))
        .map((name) =>
          name === "libvirt"
            ? this.#readLibvirt()
            : this.#refusals.attempt(name, () => this.beliefs.read(name)),
        ),
    ]);
    if (bridges === undefined) return;
    this.beliefs.takeBridges(bridges);
    const { taps, gone } = this.beliefs.takeMovedTaps();
    if (taps.length === 0) return;
    this.expectLibvirt({ kind: "taps", taps, gone });
    setTimeout(() => this.#askWhose(taps), namedWithinMs + 100).unref();
  }

  /** A nic that is plugged into a guest that runs is told of by an event alone, and that one was late or lost. */
  #askWhose(taps: readonly InterfaceName[]): void {
    if (this.#isEnded || this.beliefs.unclaimed(taps).length === 0) return;
    this.expectLibvirt({ kind: "everything" });
  }

  /** What comes late is taken in, and asked for again: it may be older than what made it late. */
  #readLibvirt(): Promise<void> {
    return this.#libvirtReading.run(
      () => this.#refusals.attempt("libvirt", () => this.beliefs.read("libvirt")),
      () => this.#mark(0, "libvirt"),
    );
  }

  async #holdLinks(
    desired: Desired,
    why: { readonly isNew: boolean; readonly dirty: ReadonlySet<Concern> },
  ): Promise<void> {
    if ((why.isNew || why.dirty.has("bridges")) && this.#held === desired) {
      await this.#refusals.attempt("bridges", () => this.upkeep.holdBridges(desired));
    }
    if (why.isNew || why.dirty.has("hairpin")) {
      await this.#refusals.attempt("hairpin", () => this.upkeep.holdHairpin(desired));
    }
  }

  #takeDisturbance(concern: Concern): Disturbance | undefined {
    const disturbance = this.#disturbances.get(concern);
    this.#disturbances.delete(concern);
    return disturbance;
  }

  #tellDecision(): void {
    const decision = this.beliefs.decision;
    if (!decision) return;
    const { key, event } = describeDecision(decision);
    if (key === this.#told) return;
    this.#told = key;
    this.#ports.journal.add(event.level, event.name, event.message);
  }
}
