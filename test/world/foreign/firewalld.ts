import type { ChildProcess } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ForeignFirewall } from "./foreign-firewall.ts";
import { endChild, untilDone, type ForeignRoot } from "./foreign-root.ts";

/** The real firewalld on the host of a world, with a system bus of its own. */
export class ForeignFirewalld implements ForeignFirewall {
  /** Where its bus listens, for `DBUS_SYSTEM_BUS_ADDRESS`. */
  readonly busAddress: string;
  readonly #root: ForeignRoot;
  #process: ChildProcess | undefined;

  private constructor(root: ForeignRoot) {
    this.#root = root;
    this.busAddress = `unix:path=${root.folder}/run/dbus/system_bus_socket`;
  }

  /**
   * `settings`: lines of firewalld.conf(5) instead of Debian's. `uplink` is put into the default zone, as NetworkManager does it.
   * Firewalld itself waits for {@link start}.
   */
  static async on(
    root: ForeignRoot,
    settings: Readonly<Record<string, string>> = {},
    uplink?: string,
  ): Promise<ForeignFirewalld> {
    await mkdir(join(root.folder, "run/dbus"));
    let text = await readFile(join(root.folder, "etc/firewalld/firewalld.conf"), "utf8");
    for (const [key, value] of Object.entries(settings)) {
      text = text.replace(new RegExp(`^${key}=.*$`, "m"), `${key}=${value}`);
    }
    await root.write("etc/firewalld/firewalld.conf", text);
    if (uplink !== undefined) {
      const zone = "firewalld/zones/public.xml";
      const shipped = await readFile(join(root.folder, "usr/lib", zone), "utf8");
      const bound = shipped.replace("</zone>", `<interface name="${uplink}"/></zone>`);
      await root.write(join("etc", zone), bound);
    }
    root.start("dbus-daemon", "--system", "--nofork", "--nopidfile");
    const firewalld = new ForeignFirewalld(root);
    await untilDone(() =>
      readFile(join(root.folder, "run/dbus/system_bus_socket")).catch(isSocket),
    );
    return firewalld;
  }

  /** Starts it, and waits for nothing. */
  launch(): void {
    this.#process = this.#root.start("firewalld", "--nofork", "--nopid");
  }

  async start(): Promise<void> {
    this.launch();
    await untilDone(() => this.tell("--state"));
  }

  async stop(signal?: NodeJS.Signals): Promise<void> {
    if (this.#process) await endChild(this.#process, signal);
  }

  async restart(): Promise<void> {
    await this.tell("--reload");
  }

  close(): Promise<void> {
    return this.#root.close();
  }

  /** `firewall-cmd` with these words. */
  async tell(...words: readonly string[]): Promise<string> {
    return (await this.#root.run("firewall-cmd", ...words)).trim();
  }

  /** All that it says it has, in force and written down. */
  async listing(): Promise<string> {
    const parts = ["--list-all-zones", "--list-all-policies"];
    const answers: string[] = [];
    for (const part of parts) {
      answers.push(await this.tell(part), await this.tell("--permanent", part));
    }
    return answers.join("\n");
  }
}

function isSocket(error: NodeJS.ErrnoException): string {
  if (error.code === "ENXIO") return "";
  throw error;
}
