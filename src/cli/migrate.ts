import {
  readClassicHooks,
  readHooksJsonFile,
  retiredFile,
  retireHook,
  takenAsides,
} from "../edge/hooks/classic-hooks.ts";
import { defaultHooksFolder, HookFileError } from "../edge/hooks/hook-files.ts";
import { LibvirtDriver } from "../edge/libvirt/libvirt-driver.ts";
import { openKernel } from "../edge/nft/open-kernel.ts";
import { readRuleset } from "../edge/nft/read-ruleset.ts";
import { XtablesPrograms } from "../edge/xtables/xtables.ts";
import { planRetirement } from "../import/plan-retirement.ts";
import type { DriverSettings } from "../ports/network-driver.ts";
import type { XtablesListing } from "../ports/xtables.ts";
import { imagineBackend, unruled, type Backend } from "../reconcile/libvirt-backend.ts";
import { planNftRemoval } from "../reconcile/libvirt-tables.ts";
import { migrate, type MigrationPorts } from "../reconcile/migrate.ts";
import { AdoptionError, undoAll } from "../reconcile/step-back.ts";
import { planLibvirtRemoval } from "../xtables/libvirt-rules.ts";
import { fitInsertions, type Removal } from "../xtables/removal.ts";
import { collect, type Collected } from "./collect.ts";
import { converge, refuseOtherPolicy } from "./converge.ts";
import { backendOf, withBackend } from "./edit-backend.ts";
import { exitStatus, RefusedError, type ExitStatus } from "./exit-status.ts";
import { knownNic, readGround } from "./ground.ts";
import { findPublishing, type PublishingHook } from "./hook-forwards.ts";
import { printJson, type Output } from "./output.ts";
import { patiently } from "./patiently.ts";
import { printMigration, type MigrateResult } from "./print-migration.ts";
import { hasErrors, verdictOf } from "./print-problems.ts";
import { askAll, describeAnswer, lostReach, questionsOf, type Reached } from "./reach.ts";
import { demandRoot, refuseFolder, type Settings } from "./settings.ts";
import { stoppable } from "./stoppable.ts";

export interface MigrateOptions {
  readonly to: Backend;
  readonly isDryRun: boolean;
}

/** libvirt's NEWS: network driver, nftables backend. */
const firstWithNftables = [10, 4] as const;

export async function runMigrate(
  settings: Settings,
  output: Output,
  options: MigrateOptions,
): Promise<ExitStatus> {
  demandRoot("migrate");
  refuseFolder("migrate", settings);
  const result = await new Run(settings, output, options).run();
  if (settings.json) printJson(output, result);
  else output.out(printMigration(result));
  const isDone = result.state !== "refused" && result.state !== "restart due";
  return isDone ? exitStatus.ok : exitStatus.problems;
}

class Run {
  readonly #settings: Settings;
  readonly #output: Output;
  readonly #options: MigrateOptions;
  readonly #driver: LibvirtDriver;
  readonly #xtables = new XtablesPrograms();

  constructor(settings: Settings, output: Output, options: MigrateOptions) {
    this.#settings = settings;
    this.#output = output;
    this.#options = options;
    this.#driver = new LibvirtDriver(settings.connectUri);
  }

  async run(): Promise<MigrateResult> {
    const { to, isDryRun } = this.#options;
    const collected = await collect(this.#settings);
    const { decision, policyTexts, written } = collected;
    if (hasErrors(decision.problems)) {
      throw new RefusedError(`there are ${verdictOf(decision.problems)}: virtwall check`);
    }
    const found = await this.#find(collected);
    const before = await reached(collected);
    const after = await reached(collected, {
      backend: to,
      networks: written.inventory.networks,
      ...(written.policy.host.integration === "auto" && { mark: written.policy.host.mark }),
    });
    const obstacles = [...found.obstacles, ...lostReach(before, after)];
    const result = { ...found.result, reach: compare(before, after), obstacles };
    if (obstacles.length > 0) return { ...result, state: "refused" };
    const { settings, restart, hooks, removed } = result;
    if (settings === null && restart.length + hooks.length + removed.length === 0) {
      return { ...result, state: "nothing to do" };
    }
    if (isDryRun) return { ...result, state: "possible" };
    await refuseOtherPolicy(this.#settings, policyTexts);
    const removals: string[] = [];
    const { text } = found.file;
    const migration = {
      ...(settings !== null && { settings: { before: text, after: withBackend(text ?? "", to) } }),
      isRestartDue: settings !== null || restart.length > 0,
    };
    const now = { before, found, removals };
    const state = await stoppable(this.#output, (tell) =>
      migrate(migration, { ...this.#ports(now), tell }),
    );
    if (state === "restart due") return { ...result, state, hooks: [], removed: [], reach: [] };
    const reachedNow = await reached(await collect(this.#settings));
    return { ...result, state, removed: removals, reach: compare(before, reachedNow) };
  }

  async #find({ decision }: Collected): Promise<Findings> {
    const { to } = this.#options;
    const [libvirt, file, listings, hooks, hooksJson] = await Promise.all([
      this.#driver.version(),
      this.#driver.readSettings(),
      this.#xtables.list(),
      readClassicHooks(defaultHooksFolder),
      readHooksJsonFile(defaultHooksFolder),
    ]);
    const publications = decision.desired?.compiled.publications ?? [];
    // On the way back nothing is known of what they did.
    const { publishing, obstacles } =
      to === "nftables"
        ? findPublishing(hooks, hooksJson, publications)
        : { publishing: [], obstacles: [] };
    const retiring = publishing.map(({ hook }) => hook);
    const taken = await takenAsides(defaultHooksFolder, retiring);
    const isSaid = backendOf(file.text ?? "") === to;
    const leftovers = await this.#leftovers(listings);
    return {
      file,
      publishing,
      obstacles: [
        ...refusalsOf(to, libvirt, listings),
        ...obstacles,
        ...taken.map((file) => `${file} holds another script that was retired: move it away`),
      ],
      result: {
        to,
        libvirt,
        settings: isSaid ? null : { file: file.file, backup: file.backup },
        restart: isSaid ? await this.#driver.outdated() : await this.#driver.running(),
        hooks: retiring.map((hook) => ({
          file: hook.file,
          aside: retiredFile(defaultHooksFolder, hook),
        })),
        removed: [
          ...leftovers.removed,
          ...hookRemovals(listings, publishing).flatMap((one) => one.rules),
        ],
        left: leftovers.left,
      },
    };
  }

  async #leftovers(
    listings: readonly XtablesListing[],
  ): Promise<{ readonly removed: readonly string[]; readonly left: readonly string[] }> {
    if (this.#options.to === "iptables") return planNftRemoval(await readRuleset());
    const plans = listings.map(({ command, tables }) => ({
      command,
      ...planLibvirtRemoval(tables),
    }));
    return {
      removed: plans.flatMap(({ command, rules }) => rules.map((rule) => `${command} ${rule}`)),
      left: plans.flatMap(({ command, left }) => left.map((rule) => `${command} ${rule}`)),
    };
  }

  #ports(now: {
    before: Reached;
    found: Findings;
    removals: string[];
  }): Omit<MigrationPorts, "tell"> {
    const { before, found, removals } = now;
    const [rules, retired, leftovers]: [Undoing, Undoing, Undoing] = [[], [], []];
    const removeRules = async (): Promise<void> => {
      for (const removal of hookRemovals(await this.#xtables.list(), found.publishing)) {
        await this.#xtables.change(removal.command, removal.script);
        rules.push(() => this.#putBack(removal));
        removals.push(...removal.rules);
      }
    };
    const retire = async (): Promise<void> => {
      for (const { hook } of found.publishing) {
        retired.push(await retireHook(defaultHooksFolder, hook));
      }
    };
    return {
      driver: this.#driver,
      untilSettled: () => this.#untilSettled(),
      hooks: {
        removeRules,
        restoreRules: () => undoAll(rules),
        retire: () => asRefusal(retire),
        revive: () => undoAll(retired),
      },
      leftovers: {
        remove: async () => void removals.push(...(await this.#removeFormer(leftovers))),
        restore: () => undoAll(leftovers),
        removeNew: async () => {
          const { to } = this.#options;
          await (to === "nftables" ? this.#removeTables([]) : this.#removeRules([]));
        },
      },
      untilReached: () => this.#untilReached(before),
    };
  }

  async #untilSettled(): Promise<void> {
    await patiently(async () => {
      const { inventory } = (await collect(this.#settings)).written;
      const missing = unruled(await readRuleset(), this.#options.to, inventory.networks);
      if (missing.length > 0) {
        const names = missing.join(", ");
        throw new AdoptionError(`libvirt made no rules for ${names} with ${this.#options.to}`);
      }
      await converge(this.#settings);
    });
  }

  /** In the meantime the daemon may have taken pass rules away. */
  async #putBack({ command, undo }: RulesGone): Promise<void> {
    const tables = (await this.#xtables.list()).find((one) => one.command === command)?.tables;
    await this.#xtables.change(command, fitInsertions(undo, tables ?? []));
  }

  #removeFormer(undoing: Undoing): Promise<readonly string[]> {
    const { to } = this.#options;
    return to === "iptables" ? this.#removeTables(undoing) : this.#removeRules(undoing);
  }

  async #removeRules(undoing: Undoing): Promise<readonly string[]> {
    const gone: string[] = [];
    for (const { command, tables } of await this.#xtables.list()) {
      const { script, rules, undo } = planLibvirtRemoval(tables);
      if (script === "") continue;
      await this.#xtables.change(command, script);
      undoing.push(() => this.#putBack({ command, undo }));
      gone.push(...rules.map((rule) => `${command} ${rule}`));
    }
    return gone;
  }

  async #removeTables(undoing: Undoing): Promise<readonly string[]> {
    const { script, removed, undo } = planNftRemoval(await readRuleset());
    if (script === "") return removed;
    await this.#commit(script);
    undoing.push(() => this.#commit(undo));
    return removed;
  }

  async #commit(script: string): Promise<void> {
    const kernel = await openKernel({ gate: "none", socket: this.#settings.gateSocket });
    try {
      await kernel.commit(script);
    } finally {
      kernel.close();
    }
  }

  async #untilReached(before: Reached): Promise<void> {
    await patiently(async () => {
      await converge(this.#settings);
      const lost = lostReach(before, await reached(await collect(this.#settings)));
      if (lost.length > 0) throw new AdoptionError(lost.join("; "));
    });
  }
}

type RulesGone = Pick<XtablesListing, "command"> & Pick<Removal, "undo">;

type Undoing = (() => Promise<void>)[];

interface Findings {
  readonly file: DriverSettings;
  readonly publishing: readonly PublishingHook[];
  readonly obstacles: readonly string[];
  readonly result: Omit<MigrateResult, "state" | "reach" | "obstacles">;
}

function refusalsOf(to: Backend, libvirt: string, listings: readonly XtablesListing[]): string[] {
  const [major = 0, minor = 0] = libvirt.split(".").map(Number);
  const [first, second] = firstWithNftables;
  const hasNftables = major > first || (major === first && minor >= second);
  if (to === "nftables" && !hasNftables) {
    return [
      `libvirt ${libvirt} has no nftables backend: it came with ${firstWithNftables.join(".")}`,
    ];
  }
  return to === "iptables" && listings.length === 0
    ? ["iptables is not installed, and libvirt's network driver would not start without it"]
    : [];
}

function hookRemovals(
  listings: readonly XtablesListing[],
  publishing: readonly PublishingHook[],
): readonly (ReturnType<typeof planRetirement> & Pick<XtablesListing, "command">)[] {
  const forwards = publishing.flatMap((one) => one.forwards);
  return listings.flatMap(({ command, tables }) => {
    const { rules, ...scripts } = planRetirement(tables, forwards);
    const named = rules.map((rule) => `${command} ${rule}`);
    return scripts.script === "" ? [] : [{ ...scripts, command, rules: named }];
  });
}

/** With a wish: as it would be with libvirt's rules written so. */
async function reached(
  { decision }: Collected,
  wish?: Parameters<typeof imagineBackend>[1],
): Promise<Reached> {
  const intent = decision.desired?.compiled.intent;
  if (intent === undefined) return new Map();
  const nics = intent.nics.map(knownNic);
  const ground = await readGround(nics);
  const tables = wish ? imagineBackend(ground.tables, wish) : ground.tables;
  const legacy = ground.unlisted;
  return askAll(questionsOf(intent), { ground: { ...ground, tables }, nics, legacy });
}

function compare(before: Reached, after: Reached): MigrateResult["reach"] {
  return [...before].map(([question, answer]) => ({
    question,
    before: describeAnswer(answer),
    after: describeAnswer(after.get(question)),
  }));
}

async function asRefusal(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (cause) {
    if (!(cause instanceof HookFileError)) throw cause;
    throw new AdoptionError(cause.message, { cause });
  }
}
