import { defined } from "../../base/defined.ts";
import { libvirtFile, uuidPattern } from "../../model/source-text.ts";
import {
  SourceError,
  type ExpectedChange,
  type LibvirtSource,
  type LibvirtTexts,
  type SourceText,
} from "../../ports/sources.ts";
import { readFolder } from "../files/read-folder.ts";
import { watchFolder } from "../files/watch-folder.ts";
import { watchChild } from "../host/watch-child.ts";
import { endsWithin } from "./ends-within.ts";
import { KnownGuests } from "./known-guests.ts";
import { onSilence, withAdvice } from "./libvirt-advice.ts";
import { VirshSession } from "./virsh-session.ts";

const libvirtLeases = "/var/lib/libvirt/dnsmasq";
/** `virsh net-update` changes a running network without an event (libvirt 11.3); of reservations dnsmasq's files tell at once. */
const silentChangeMs = 30_000;
const reservationFile = ".hostsfile";
/** Of all guests, or networks; one alone that libvirt is busy with keeps it from listing any (9.0: it waits for the lock of each in turn). */
const defaultPatienceMs = 5_000;
/**
 * What libvirt does not answer keeps one of its workers busy, though nobody waits any more, and when all 20 are so it answers nobody
 * (9.0; max_workers in libvirtd.conf). So the listing is asked for once, and waited for beside all else.
 */
const longestWaitMs = 3_600_000;
/** After so many guests that libvirt says nothing of, it is asked of no other one. */
const mostMute = 4;
/** Only a guest that runs has a number. */
const runningPattern = /^\s*<domain [^>]*\bid=/;
const commands = {
  guest: { list: "list --uuid", dump: "dumpxml", events: "event --all" },
  network: {
    list: "net-list --uuid",
    dump: "net-dumpxml",
    events: "net-event --event lifecycle",
  },
} as const;
const kinds = ["guest", "network"] as const;
type Kind = (typeof kinds)[number];

export interface LiveLibvirtOptions {
  readonly leaseFolder?: string;
  /** Called with each guest's XML that is new, while libvirt is waited for: a good time to parse it. */
  readonly onGuest?: ((text: SourceText) => void) | undefined;
  /** For how long a listing is waited for once there was one: a quarter of what the first may take. */
  readonly patienceMs?: number;
}

/** A running libvirt, asked through `virsh`. Everything is asked by UUID: names are chosen by others. */
export class LiveLibvirt implements LibvirtSource {
  readonly #uris: Readonly<Record<Kind, string>>;
  readonly #sessions: Readonly<Record<Kind, VirshSession>>;
  readonly #leaseFolder: string;
  readonly #listening = new Map<Kind, boolean>();
  readonly #guests = new KnownGuests();
  /** Undefined before the first listing. */
  #networks: readonly SourceText[] | undefined;
  #areNetworksStale = true;
  #owesNetworks = false;
  #reading: Promise<unknown> = Promise.resolve();
  readonly #onGuest: LiveLibvirtOptions["onGuest"];
  readonly #patienceMs: number;
  /** For guest after guest, while a listing is awaited. */
  readonly #apart: VirshSession;
  #hasListed = false;
  /** While libvirt owes us a listing: the guests of which it says nothing either, by UUID. */
  #mute: Set<string> | undefined;

  constructor(uri: string, options: LiveLibvirtOptions = {}) {
    const { leaseFolder = libvirtLeases, onGuest, patienceMs = defaultPatienceMs } = options;
    this.#uris = { guest: uri, network: networkUri(uri) };
    const { guest, network } = this.#uris;
    this.#sessions = {
      guest: new VirshSession(guest, longestWaitMs),
      network: new VirshSession(network, longestWaitMs),
    };
    this.#apart = new VirshSession(guest, patienceMs);
    this.#patienceMs = patienceMs;
    this.#leaseFolder = leaseFolder;
    this.#onGuest = onGuest;
  }

  /** One after another: what one asks for, the next one knows. */
  async read(): Promise<LibvirtTexts> {
    const reading = this.#reading.then(() => this.#readXml());
    this.#reading = reading.catch(() => undefined);
    const [xml, leases] = await Promise.all([
      reading,
      readFolder(this.#leaseFolder, ".status", { others: "name" }),
    ]);
    return { ...xml, leases, readAt: Math.floor(Date.now() / 1000) };
  }

  expectChange(change: ExpectedChange): void {
    if (change.kind === "networks" || change.kind === "everything") this.#areNetworksStale = true;
    this.#guests.expect(change);
  }

  watch(listener: () => void): () => void {
    const change = (): void => {
      this.expectChange({ kind: "everything" });
      listener();
    };
    const hear: Readonly<Record<Kind, (line: string) => void>> = {
      guest: (line) => this.#guests.hear(line),
      network: () => this.expectChange({ kind: "networks" }),
    };
    const stops = kinds.map((kind) =>
      watchChild({
        command: "virsh",
        // `uri` prints a line as soon as libvirt answers; the other prints nothing before an event.
        args: ["-q", "-c", this.#uris[kind], `uri; ${commands[kind].events} --loop`],
        announces: true,
        onListening: (isListening) => this.#listening.set(kind, isListening),
        onChange: change,
        onLines: (lines) => {
          for (const line of lines) hear[kind](line);
          listener();
        },
      }),
    );
    const timer = setInterval(change, silentChangeMs);
    stops.push(() => clearInterval(timer));
    stops.push(watchFolder(this.#leaseFolder, listener, (name) => name.endsWith(".status")));
    const reserve = (): void => {
      this.expectChange({ kind: "networks" });
      listener();
    };
    stops.push(watchFolder(this.#leaseFolder, reserve, (name) => name.endsWith(reservationFile)));
    return () => {
      for (const stop of stops) stop();
      this.close();
    };
  }

  close(): void {
    for (const kind of kinds) this.#sessions[kind].close();
    this.#apart.close();
  }

  /** What is known stays true while both event programs listen: they tell when they begin to, and when they end. */
  async #readXml(): Promise<Pick<LibvirtTexts, "networks" | "guests" | "late">> {
    const mayKeep = this.#listening.size === 2 && [...this.#listening.values()].every(Boolean);
    if (!mayKeep) this.expectChange({ kind: "everything" });
    try {
      const networks = this.#followNetworks();
      const guests = this.#followGuests();
      // Both, so that none goes on beside the next reading.
      await Promise.allSettled([networks, guests]);
      const late = [await networks, await guests].filter((words) => words !== undefined);
      return defined({
        late: late.length === 0 ? undefined : late.join("; "),
        networks: this.#networks ?? [],
        guests: this.#guests.texts,
      });
    } catch (error) {
      this.expectChange({ kind: "everything" });
      throw error;
    }
  }

  /** Answers what libvirt owes us; undefined: nothing. */
  async #followNetworks(): Promise<string | undefined> {
    if (!this.#owesNetworks) {
      if (!this.#areNetworksStale) return undefined;
      const whole = this.#readNetworks();
      const patienceMs = this.#patienceMs * (this.#networks === undefined ? 4 : 1);
      if (await endsWithin(whole, patienceMs)) return undefined;
      this.#owesNetworks = true;
      const end = (): void => {
        this.#owesNetworks = false;
        // It may be older than what was asked meanwhile.
        this.expectChange({ kind: "networks" });
      };
      whole.then(end, end);
    }
    const advice = onSilence(this.#uris.network);
    if (this.#networks === undefined)
      throw new SourceError(`libvirt does not list the networks${advice}`);
    return `libvirt does not list the networks: what it said of them last stays in force${advice}`;
  }

  async #readNetworks(): Promise<void> {
    // First, so that a change while libvirt is asked counts for the next time.
    this.#areNetworksStale = false;
    const uuids = await this.#list("network");
    const texts = await Promise.all(
      uuids.map(async (uuid) => {
        const stdout = await this.#dump("network", uuid);
        return stdout === undefined ? [] : [sourceOf("network", uuid, stdout)];
      }),
    );
    this.#networks = texts.flat();
  }

  /** Answers what libvirt owes us; undefined: nothing. */
  async #followGuests(): Promise<string | undefined> {
    let mute = this.#mute;
    if (mute === undefined) {
      if (!this.#guests.isStale) return undefined;
      const whole = this.#readGuests();
      // Nothing can be done before the first.
      const patienceMs = this.#patienceMs * (this.#hasListed ? 1 : 4);
      if (await endsWithin(whole, patienceMs)) return undefined;
      this.#mute = mute = new Set();
      const end = (): void => {
        this.#mute = undefined;
        // It may be older than what was asked meanwhile.
        this.expectChange({ kind: "everything" });
      };
      whole.then(end, end);
      this.expectChange({ kind: "everything" });
    }
    const advice = onSilence(this.#uris.guest);
    if (!this.#hasListed) throw new SourceError(`libvirt does not list the guests${advice}`);
    if (mute.size < mostMute) await this.#readApart(mute);
    const files = [...mute].map((uuid) => this.#guests.find(uuid)?.file ?? uuid);
    const others = files.length === 0 ? "" : `, and says nothing of ${files.join(", ")}`;
    return `libvirt does not list the guests${others}: what it said of them last stays in force${advice}`;
  }

  async #readGuests(): Promise<void> {
    const kept = this.#guests.takeKept();
    const uuids = await this.#list("guest");
    const running = await Promise.all(
      uuids.map(async (uuid): Promise<[string, SourceText][]> => {
        const text = kept.get(uuid) ?? (await this.#readGuest(uuid));
        return text === undefined ? [] : [[uuid, text]];
      }),
    );
    this.#guests.takeWhole(new Map(running.flat()));
    this.#hasListed = true;
  }

  /** The guests that ran when libvirt listed them last, as far as they may have changed. */
  async #readApart(mute: Set<string>): Promise<void> {
    const kept = this.#guests.takeKept();
    const isAsked = (uuid: string): boolean => !kept.has(uuid) && !mute.has(uuid);
    const uuids = [...this.#guests.sources.keys()].filter(isAsked);
    const asked = uuids.map((uuid) => this.#apart.run(dumpCommand("guest", uuid)));
    const outcomes = await Promise.allSettled(asked);
    const first = outcomes.findIndex(({ status }) => status === "rejected");
    if (first >= 0) {
      // Those behind it were not asked at all.
      mute.add(uuids[first] ?? "");
      this.expectChange({ kind: "everything" });
    }
    const { sources } = this.#guests;
    for (const [index, uuid] of uuids.entries()) {
      const outcome = outcomes[index];
      if (outcome?.status !== "fulfilled") continue;
      const isRefused = outcome.value.error !== "";
      // What virsh refuses may be gone, or libvirt may: its listing will tell, or the host.
      if (isRefused && !this.#guests.hasLostTaps(uuid)) continue;
      const text = isRefused ? undefined : this.#take(uuid, outcome.value.stdout);
      if (text === undefined) sources.delete(uuid);
      else sources.set(uuid, text);
    }
    this.#guests.take(sources);
  }

  async #readGuest(uuid: string): Promise<SourceText | undefined> {
    const stdout = await this.#dump("guest", uuid);
    return stdout === undefined ? undefined : this.#take(uuid, stdout);
  }

  /** Undefined: it was stopped, but is defined: this is what it will be at its next start, without taps. */
  #take(uuid: string, stdout: string): SourceText | undefined {
    if (!runningPattern.test(stdout)) return undefined;
    const text = sourceOf("guest", uuid, stdout);
    const known = this.#guests.find(uuid);
    if (known?.file === text.file && known.text === text.text) return known;
    this.#onGuest?.(text);
    return text;
  }

  async #list(kind: Kind): Promise<string[]> {
    const command = commands[kind].list;
    const { stdout, error } = await this.#sessions[kind].run(command);
    if (error !== "") throw this.#refusal(kind, command, error);
    return stdout
      .split("\n")
      .filter((line) => uuidPattern.test(line))
      .toSorted();
  }

  /** Undefined: it was stopped since it was listed. */
  async #dump(kind: Kind, uuid: string): Promise<string | undefined> {
    const command = dumpCommand(kind, uuid);
    const { stdout, error } = await this.#sessions[kind].run(command);
    if (error === "") return stdout;
    // virsh has several words for what is not there, and uses them where libvirt does not answer too.
    if (!(await this.#list(kind)).includes(uuid)) return undefined;
    throw this.#refusal(kind, command, error);
  }

  #refusal(kind: Kind, command: string, words: string): SourceError {
    return new SourceError(withAdvice(`virsh ${command}: ${words}`, this.#uris[kind]));
  }
}

function dumpCommand(kind: Kind, uuid: string): string {
  return `${commands[kind].dump} ${uuid}`;
}

function sourceOf(kind: Kind, uuid: string, text: string): SourceText {
  const name = /<name>([^<]*)<\/name>/.exec(text)?.[1];
  return { file: libvirtFile(kind, { name, uuid }), text };
}

/**
 * Where libvirt runs as several daemons, networks have one of their own. The guests' daemon would hand on what is asked of it, but say
 * nothing when that other one restarts, and answer with errors ever after. A libvirtd in one piece answers under both names.
 */
function networkUri(uri: string): string {
  return uri === "qemu:///system" ? "network:///system" : uri;
}
