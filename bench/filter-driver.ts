import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startLibvirtd } from "../lab/libvirt.ts";
import type { World } from "../lab/world.ts";
import type { FleetGuest } from "./fleet.ts";

/** Of every nic. */
export const filter = "clean-traffic";

/** The rules that libvirt's driver wrote for one nic. */
export interface RecordedRules {
  readonly guest: FleetGuest;
  /** As ebtables-save shows them. */
  readonly lines: readonly string[];
}

const virsh = ["virsh", "--quiet", "-c", "nwfilter:///system"];

/** libvirt's own driver of filters. */
export class FilterDriver {
  readonly #world: World;

  private constructor(world: World) {
    this.#world = world;
  }

  static async start(world: World): Promise<FilterDriver> {
    await startLibvirtd(world);
    return new FilterDriver(world);
  }

  async bind(guest: FleetGuest): Promise<void> {
    const file = join(this.#world.folder, `${guest.tap}.xml`);
    await writeFile(file, bindingXml(guest));
    await this.#must(...virsh, "nwfilter-binding-create", file);
  }

  async unbind({ tap }: FleetGuest): Promise<void> {
    await this.#must(...virsh, "nwfilter-binding-delete", tap);
  }

  async recordRules(): Promise<RecordedRules> {
    const guest = { name: "one", tap: "vnet0", mac: "52:54:00:aa:bb:cc", address: "10.20.0.2" };
    await this.#must("ip", "tuntap", "add", guest.tap, "mode", "tap");
    await this.bind(guest);
    const saved = await this.#must("ebtables-save");
    await this.unbind(guest);
    await this.#must("ip", "link", "del", guest.tap);
    return { guest, lines: saved.split("\n") };
  }

  /** With thousands of rules one of its steps takes a second, and it takes dozens. */
  #must(...argv: readonly string[]): Promise<string> {
    return this.#world.must(argv, { timeoutMs: 300_000 });
  }
}

function bindingXml({ name, tap, mac, address }: FleetGuest): string {
  return `<filterbinding>
  <owner><name>${name}</name><uuid>0a0f2a2c-5d0e-4f4b-9d5c-${mac.replaceAll(":", "")}</uuid></owner>
  <portdev name='${tap}'/>
  <mac address='${mac}'/>
  <filterref filter='${filter}'><parameter name='IP' value='${address}'/></filterref>
</filterbinding>
`;
}

/** The same rules for each of the guests, for ebtables-restore. */
export function libvirtRules(
  { guest: { tap, mac, address }, lines }: RecordedRules,
  guests: readonly FleetGuest[],
): string {
  const ofNic = lines.filter((line) => line.includes(tap));
  const copies = (of: readonly string[]) =>
    guests.flatMap((guest) =>
      of.map((line) =>
        line
          .replaceAll(new RegExp(`\\b${tap}\\b`, "g"), guest.tap)
          .replaceAll(mac, guest.mac)
          .replaceAll(address, guest.address),
      ),
    );
  const base = ["PREROUTING", "OUTPUT", "POSTROUTING"].map((name) => `:${name} ACCEPT`);
  const chains = copies(ofNic.filter((line) => line.startsWith(":")));
  const rules = copies(ofNic.filter((line) => line.startsWith("-A")));
  return `${["*nat", ...base, ...chains, ...rules, "COMMIT"].join("\n")}\n`;
}
