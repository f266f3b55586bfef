import { existsSync } from "node:fs";
import type { Message } from "@jellybrick/dbus-next";
import {
  FirewalldError,
  firewalldName,
  type Firewalld,
  type FirewalldFacts,
  type FirewalldPolicy,
  type FirewalldStep,
  type ZoneMembers,
} from "../../ports/firewalld.ts";
import { BusConnection } from "./bus-connection.ts";
import { describeDifferences, settingsOf, type Settings } from "./settings.ts";

const name = "org.fedoraproject.FirewallD1";
const runTimePath = "/org/fedoraproject/FirewallD1";
const configPath = `${runTimePath}/config`;

/** A reload builds every rule anew, in Python; policies with large sets take long. */
const reloadMs = 60_000;

interface Method {
  /** Below firewalld's own name: `.zone`. */
  readonly part?: string;
  readonly path?: string;
  readonly member: string;
  readonly signature?: string;
  readonly body?: readonly unknown[];
  readonly timeoutMs?: number;
}

/** firewalld 0.9 or newer, which is the first that has policies. */
export class FirewalldBus implements Firewalld {
  readonly #listeners = new Set<() => void>();
  readonly #bus = new BusConnection(
    [
      `type='signal',sender='${name}'`,
      `type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='${name}'`,
    ],
    (message) => this.#hear(message),
  );

  async read(): Promise<FirewalldFacts | undefined> {
    if (!existsSync(socketFile())) return undefined;
    const defaultZone = await this.#bus.call(callOf({ member: "getDefaultZone" }));
    if (defaultZone === undefined) return undefined;
    const zones = await this.#names({ part: ".zone", member: "getZones" });
    const policies = await this.#names({ part: ".policy", member: "getPolicies" });
    const written = await this.#names({
      path: configPath,
      part: ".config",
      member: "getPolicyNames",
    });
    const writtenZones = await this.#names({
      path: configPath,
      part: ".config",
      member: "getZoneNames",
    });
    return {
      defaultZone: String(defaultZone[0]),
      active: activeOf(await this.#ask({ part: ".zone", member: "getActiveZones" })),
      zones,
      policies: await this.#policies(policies, (policy) => this.#runTimePolicy(policy)),
      permanent: {
        hasZone: writtenZones.includes(firewalldName),
        policies: await this.#policies(written, (policy) => this.#permanent("Policy", policy)),
      },
    };
  }

  async readRunTimeOnly(): Promise<readonly string[]> {
    const zones = await this.#names({ part: ".zone", member: "getZones" });
    const policies = await this.#names({ part: ".policy", member: "getPolicies" });
    const found: string[] = [];
    for (const zone of zones.filter(isForeign)) {
      const now = settingsOf(await this.#ask(settingsCall(".zone", "getZoneSettings2", zone)));
      found.push(...describeDifferences(`zone ${zone}`, now, await this.#permanent("Zone", zone)));
    }
    for (const policy of policies.filter(isForeign)) {
      const written = await this.#permanent("Policy", policy);
      const now = await this.#runTimePolicy(policy);
      found.push(...describeDifferences(`policy ${policy}`, now, written));
    }
    return [...found, ...(await this.#otherDifferences())];
  }

  async carryOut(steps: readonly FirewalldStep[]): Promise<void> {
    for (const step of steps) await this.#do(step);
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): void {
    this.#bus.close();
  }

  #hear({ type, sender }: Message): void {
    const isSignal = type === 4 && sender !== "";
    if (isSignal) for (const listener of this.#listeners) listener();
  }

  async #do(step: FirewalldStep): Promise<void> {
    switch (step.kind) {
      case "add zone": {
        const settings = await variants({ short: firewalldName, description });
        const body = [firewalldName, settings];
        return void (await this.#config({ member: "addZone2", signature: "sa{sv}", body }));
      }
      case "write policy": {
        const body = [step.name, await variants({ ...settingsFor(step.policy), description })];
        return void (await this.#config({ member: "addPolicy", signature: "sa{sv}", body }));
      }
      case "delete all":
        return this.#deleteAll();
      case "reload":
        return this.#reload();
      case "set policy": {
        const { ingress, egress } = step.policy;
        const settings = await variants({ ingress_zones: ingress, egress_zones: egress });
        const call = { part: ".policy", member: "setPolicySettings", signature: "sa{sv}" };
        return void (await this.#ask({ ...call, body: [step.name, settings] }));
      }
      case "bind":
        return this.#bind(firewalldName, step.interface);
      case "unbind": {
        const body = [firewalldName, step.interface];
        const call = { part: ".zone", member: "removeInterface", signature: "ss" };
        return void (await this.#ask({ ...call, body }));
      }
    }
  }

  async #bind(zone: string, member: string): Promise<void> {
    const call = { part: ".zone", member: "changeZoneOfInterface", signature: "ss" };
    await this.#ask({ ...call, body: [zone, member] });
  }

  /** firewalld forgets at a reload which zone an interface was put into at run time (`FlushAllOnReload`, firewalld.conf(5)). */
  async #reload(): Promise<void> {
    const before = activeOf(await this.#ask({ part: ".zone", member: "getActiveZones" }));
    await this.#ask({ member: "reload", timeoutMs: reloadMs });
    const after = activeOf(await this.#ask({ part: ".zone", member: "getActiveZones" }));
    const bound = new Set([...after.values()].flatMap(({ interfaces }) => interfaces));
    for (const [zone, { interfaces }] of before) {
      if (zone === firewalldName) continue;
      for (const one of interfaces) if (!bound.has(one)) await this.#bind(zone, one);
    }
  }

  async #deleteAll(): Promise<void> {
    for (const [kind, list] of [
      ["Policy", "getPolicyNames"],
      ["Zone", "getZoneNames"],
    ] as const) {
      const names = await this.#names({ path: configPath, part: ".config", member: list });
      for (const own of names.filter((one) => !isForeign(one))) {
        const path = await this.#pathOf(kind, own);
        await this.#ask({ path, part: `.config.${kind.toLowerCase()}`, member: "remove" });
      }
    }
  }

  async #policies(
    names: readonly string[],
    read: (name: string) => Promise<Settings>,
  ): Promise<ReadonlyMap<string, FirewalldPolicy>> {
    const policies = new Map<string, FirewalldPolicy>();
    for (const own of names.filter((one) => !isForeign(one))) {
      policies.set(own, policyOf(await read(own)));
    }
    return policies;
  }

  async #runTimePolicy(policy: string): Promise<Settings> {
    return settingsOf(await this.#ask(settingsCall(".policy", "getPolicySettings", policy)));
  }

  /** Empty where nothing of that name is written down. */
  async #permanent(kind: "Zone" | "Policy", of: string): Promise<Settings> {
    const list = kind === "Zone" ? "getZoneNames" : "getPolicyNames";
    const names = await this.#names({ path: configPath, part: ".config", member: list });
    if (!names.includes(of)) return new Map();
    const path = await this.#pathOf(kind, of);
    const member = kind === "Zone" ? "getSettings2" : "getSettings";
    return settingsOf(await this.#ask({ path, part: `.config.${kind.toLowerCase()}`, member }));
  }

  async #pathOf(kind: "Zone" | "Policy", of: string): Promise<string> {
    const call = { member: `get${kind}ByName`, signature: "s", body: [of] };
    return String(await this.#config(call));
  }

  async #otherDifferences(): Promise<readonly string[]> {
    const direct = { part: ".direct" };
    const now = JSON.stringify([
      await this.#ask({ ...direct, member: "getAllChains" }),
      await this.#ask({ ...direct, member: "getAllRules" }),
      await this.#ask({ ...direct, member: "getAllPassthroughs" }),
    ]);
    const path = `${configPath}`;
    const written = JSON.stringify(
      await this.#ask({ path, part: ".config.direct", member: "getSettings" }),
    );
    const sets = (await this.#names({ part: ".ipset", member: "getIPSets" })).toSorted().join();
    const config = { path: configPath, part: ".config", member: "getIPSetNames" };
    const writtenSets = (await this.#names(config)).toSorted().join();
    return [
      ...(now === written ? [] : ["direct rules"]),
      ...(sets === writtenSets ? [] : ["ipsets"]),
    ];
  }

  #config(method: Method): Promise<unknown> {
    return this.#ask({ path: configPath, part: ".config", ...method });
  }

  async #names(method: Method): Promise<readonly string[]> {
    const answer = await this.#ask(method);
    return Array.isArray(answer) ? answer.map(String) : [];
  }

  /** The first value of the answer. */
  async #ask(method: Method): Promise<unknown> {
    const answer = await this.#bus.call(callOf(method));
    if (answer === undefined) throw new FirewalldError(`it has gone before ${method.member}`);
    return answer[0];
  }
}

const description =
  "Made by virtwall, which judges guests before firewalld does. Does nothing until virtwall puts bridges into it.";

function callOf({ part = "", path = runTimePath, ...rest }: Method) {
  return { destination: name, path, interface: `${name}${part}`, ...rest };
}

function settingsCall(part: string, member: string, of: string): Method {
  return { part, member, signature: "s", body: [of] };
}

function isForeign(one: string): boolean {
  return one !== firewalldName && !one.startsWith(`${firewalldName}-`);
}

function socketFile(): string {
  const address = process.env["DBUS_SYSTEM_BUS_ADDRESS"] ?? "";
  return /^unix:path=([^,;]+)/.exec(address)?.[1] ?? "/run/dbus/system_bus_socket";
}

function activeOf(answer: unknown): ReadonlyMap<string, ZoneMembers> {
  const zones = answer as Record<string, Partial<Record<keyof ZoneMembers, string[]>>>;
  return new Map(
    Object.entries(zones).map(([zone, { interfaces = [], sources = [] }]) => [
      zone,
      { interfaces: interfaces.toSorted(), sources },
    ]),
  );
}

function policyOf(settings: Settings): FirewalldPolicy {
  const first = (key: string) => settings.get(key)?.[0];
  return {
    ingress: settings.get("ingress_zones") ?? [],
    egress: settings.get("egress_zones") ?? [],
    target: first("target") ?? "",
    priority: Number(first("priority") ?? -1),
  };
}

function settingsFor(policy: FirewalldPolicy) {
  const { target, priority, ingress, egress } = policy;
  return { target, priority, ingress_zones: ingress, egress_zones: egress };
}

async function variants(
  values: Readonly<Record<string, string | number | readonly string[]>>,
): Promise<unknown> {
  const { Variant } = await import("@jellybrick/dbus-next");
  const variantOf = (value: string | number | readonly string[]) =>
    typeof value === "string"
      ? new Variant("s", value)
      : typeof value === "number"
        ? new Variant("i", value)
        : new Variant("as", [...value]);
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, variantOf(value)]));
}
