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
import { KnownGuests } from "./known-guests.ts";
import { VirshSession } from "./virsh-session.ts";

const libvirtLeases = "/var/lib/libvirt/dnsmasq";
/** `virsh net-update` changes a running network without an event (libvirt 11.3); of reservations dnsmasq's files tell at once. */
const silentChangeMs = 30_000;
const reservationFile = ".hostsfile";
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
}

/** A running libvirt, asked through `virsh`. Everything is asked by UUID: names are chosen by others. */
export class LiveLibvirt implements LibvirtSource {
  readonly #uris: Readonly<Record<Kind, string>>;
  readonly #sessions: Readonly<Record<Kind, VirshSession>>;
  readonly #leaseFolder: string;
  readonly #listening = new Map<Kind, boolean>();
  readonly #guests = new KnownGuests();
  #networks: readonly SourceText[] = [];
  #areNetworksStale = true;
  #reading: Promise<unknown> = Promise.resolve();
  readonly #onGuest: LiveLibvirtOptions["onGuest"];

  constructor(uri: string, { leaseFolder = libvirtLeases, onGuest }: LiveLibvirtOptions = {}) {
    this.#uris = { guest: uri, network: networkUri(uri) };
    const { guest, network } = this.#uris;
    this.#sessions = { guest: new VirshSession(guest), network: new VirshSession(network) };
    this.#leaseFolder = leaseFolder;
    this.#onGuest = onGuest;
  }

  /** One after another: what one asks for, the next one knows. */
  async read(): Promise<LibvirtTexts> {
    const reading = this.#reading.then(() => this.#readXml());
    this.#reading = reading.catch(() => undefined);
    const [xml, leases] = await Promise.all([reading, readFolder(this.#leaseFolder, ".status")]);
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
  }

  /** What is known stays true while both event programs listen: they tell when they begin to, and when they end. */
  async #readXml(): Promise<Pick<LibvirtTexts, "networks" | "guests">> {
    const mayKeep = this.#listening.size === 2 && [...this.#listening.values()].every(Boolean);
    if (!mayKeep) this.expectChange({ kind: "everything" });
    try {
      await allDone([
        this.#areNetworksStale && this.#readNetworks(),
        this.#guests.isStale && this.#readGuests(),
      ]);
      return { networks: this.#networks, guests: this.#guests.texts };
    } catch (error) {
      this.expectChange({ kind: "everything" });
      throw error;
    }
  }

  async #readNetworks(): Promise<void> {
    // First, so that a change while libvirt is asked counts for the next time.
    this.#areNetworksStale = false;
    const uuids = await this.#list("network");
    const texts = await Promise.all(uuids.map((uuid) => this.#dump("network", uuid)));
    this.#networks = texts.filter((text) => text !== undefined);
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
    this.#guests.take(new Map(running.flat()));
  }

  async #readGuest(uuid: string): Promise<SourceText | undefined> {
    const text = await this.#dump("guest", uuid);
    if (text === undefined) return undefined;
    const known = this.#guests.find(uuid);
    if (known?.file === text.file && known.text === text.text) return known;
    this.#onGuest?.(text);
    return text;
  }

  async #list(kind: Kind): Promise<string[]> {
    const command = commands[kind].list;
    const { stdout, error } = await this.#sessions[kind].run(command);
    if (error !== "") throw new SourceError(`virsh ${command}: ${error}`);
    return stdout
      .split("\n")
      .filter((line) => uuidPattern.test(line))
      .toSorted();
  }

  /** Undefined: it was stopped since it was listed. */
  async #dump(kind: Kind, uuid: string): Promise<SourceText | undefined> {
    const command = `${commands[kind].dump} ${uuid}`;
    const { stdout, error } = await this.#sessions[kind].run(command);
    if (error !== "") {
      // virsh has several words for what is not there, and uses them where libvirt does not answer too.
      if (!(await this.#list(kind)).includes(uuid)) return undefined;
      throw new SourceError(`virsh ${command}: ${error}`);
    }
    // Stopped too, but defined: this is what it will be at its next start, without taps.
    if (kind === "guest" && !runningPattern.test(stdout)) return undefined;
    const name = /<name>([^<]*)<\/name>/.exec(stdout)?.[1];
    return { file: libvirtFile(kind, { name, uuid }), text: stdout };
  }
}

/** Waits for all, so that none goes on beside the next reading. Throws what the first one threw that failed. */
async function allDone(tasks: readonly (Promise<void> | false)[]): Promise<void> {
  for (const outcome of await Promise.allSettled(tasks)) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
}

/**
 * Where libvirt runs as several daemons, networks have one of their own. The guests' daemon would hand on what is asked of it, but say
 * nothing when that other one restarts, and answer with errors ever after. A libvirtd in one piece answers under both names.
 */
function networkUri(uri: string): string {
  return uri === "qemu:///system" ? "network:///system" : uri;
}
