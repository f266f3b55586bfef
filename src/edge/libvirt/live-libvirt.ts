import {
  SourceError,
  type LibvirtSource,
  type LibvirtTexts,
  type SourceText,
} from "../../ports/sources.ts";
import { readFolder } from "../files/read-folder.ts";
import { watchFolder } from "../files/watch-folder.ts";
import { watchChild } from "../host/watch-child.ts";
import { VirshSession } from "./virsh-session.ts";

const leaseFolder = "/var/lib/libvirt/dnsmasq";
/** `virsh net-update` changes a running network without an event (libvirt 11.3); of reservations dnsmasq's files tell at once. */
const silentChangeMs = 30_000;
const reservationFile = ".hostsfile";
/** Only a guest that runs has a number. */
const runningPattern = /^\s*<domain [^>]*\bid=/;
const uuidLine = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A running libvirt, asked through `virsh`. Everything is asked by UUID: names are chosen by others. */
export class LiveLibvirt implements LibvirtSource {
  readonly #uri: string;
  readonly #session: VirshSession;
  readonly #leaseFolder: string;
  readonly #listening = new Map<string, boolean>();
  #changes = 0;
  #known: Pick<LibvirtTexts, "networks" | "guests"> | undefined;

  constructor(uri: string, leases = leaseFolder) {
    this.#uri = uri;
    this.#session = new VirshSession(uri);
    this.#leaseFolder = leases;
  }

  async read(): Promise<LibvirtTexts> {
    const [xml, leases] = await Promise.all([
      this.#readXml(),
      readFolder(this.#leaseFolder, ".status"),
    ]);
    return { ...xml, leases };
  }

  expectChange(): void {
    this.#known = undefined;
    this.#changes++;
  }

  watch(listener: () => void): () => void {
    const change = (): void => {
      this.expectChange();
      listener();
    };
    const events = {
      "guest events": "event --all --loop",
      "network events": "net-event --event lifecycle --loop",
    };
    const stops = Object.entries(events).map(([name, command]) =>
      watchChild({
        command: "virsh",
        // `uri` prints a line as soon as libvirt answers; the other prints nothing before an event.
        args: ["-q", "-c", this.#uri, `uri; ${command}`],
        announces: true,
        onListening: (isListening) => this.#listening.set(name, isListening),
        onChange: change,
      }),
    );
    const timer = setInterval(change, silentChangeMs);
    stops.push(() => clearInterval(timer));
    stops.push(watchFolder(this.#leaseFolder, listener, (name) => name.endsWith(".status")));
    stops.push(watchFolder(this.#leaseFolder, change, (name) => name.endsWith(reservationFile)));
    return () => {
      for (const stop of stops) stop();
      this.close();
    };
  }

  close(): void {
    this.#session.close();
  }

  /** What is known stays true while both event programs listen: only then is a change of a lease file no reason to ask again. */
  async #readXml(): Promise<Pick<LibvirtTexts, "networks" | "guests">> {
    if (this.#known) return this.#known;
    const mayKeep = this.#listening.size === 2 && [...this.#listening.values()].every(Boolean);
    const before = this.#changes;
    const networks = await this.#dumpAll("net-list --uuid", "net-dumpxml", "network");
    const guests = await this.#dumpAll("list --uuid", "dumpxml", "guest");
    const texts = { networks, guests };
    if (mayKeep && this.#changes === before) this.#known = texts;
    return texts;
  }

  async #dumpAll(list: string, dump: string, kind: string): Promise<SourceText[]> {
    const listing = await this.#session.run(list);
    if (listing.error !== "") throw new SourceError(`virsh ${list}: ${listing.error}`);
    const uuids = listing.stdout.split("\n").filter((line) => uuidLine.test(line));
    const texts = await Promise.all(
      uuids.toSorted().map(async (uuid): Promise<SourceText | undefined> => {
        const { stdout, error } = await this.#session.run(`${dump} ${uuid}`);
        // Stopped since the list was made.
        if (error !== "" && /not found|is not running/.test(error)) return undefined;
        if (error !== "") throw new SourceError(`virsh ${dump} ${uuid}: ${error}`);
        // Stopped too, but defined: this is what it will be at its next start, without taps.
        if (kind === "guest" && !runningPattern.test(stdout)) return undefined;
        return { file: label(kind, uuid, stdout), text: stdout };
      }),
    );
    return texts.filter((text) => text !== undefined);
  }
}

/** The name under which problems speak of it; a name that is not plain is not repeated. */
function label(kind: string, uuid: string, xml: string): string {
  const name = /<name>([A-Za-z0-9_.+-]{1,64})<\/name>/.exec(xml)?.[1];
  return `libvirt:${kind}/${name ?? uuid}.xml`;
}
