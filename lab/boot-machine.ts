import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { cached } from "./cache-folder.ts";
import { startInitramfs } from "./initramfs.ts";
import { projectRoot } from "./project-root.ts";
import { LabError, mustRun } from "./run-program.ts";

export interface BootMachineOptions {
  /** `new`: Debian 13's kernel, which knows tables with an owner; `own`: that of this machine's Debian. */
  readonly kernel: "new" | "own";
  /** The tap in this network namespace that is the other end of its eth0. It is there already. */
  readonly tap: string;
  /** Texts by their place on the disk; what begins with `#!` can be run. */
  readonly files: Readonly<Record<string, string>>;
  /** Units that are enabled, by the unit that wants them. */
  readonly wants: Readonly<Record<string, readonly string[]>>;
}

export interface MachineAnswer {
  readonly status: number;
  readonly output: string;
}

/** A Debian 13 with systemd and the virtwall of this checkout, which really boots. Its disk lives until {@link stop}. */
export interface BootMachine {
  /** Runs a shell script as root, once the machine can; throws {@link LabError} when it does not come to that. */
  run(script: string, timeoutMs?: number): Promise<MachineAnswer>;
  /** The same, and any exit status but 0 is a {@link LabError}. Gives what it wrote. */
  must(script: string, timeoutMs?: number): Promise<string>;
  /** What has stood on the console since the machine was first switched on. */
  console(): Promise<string>;
  /** Resolves once it has switched itself off; throws {@link LabError} when it does not come to that. */
  untilOff(): Promise<void>;
  /** As a reset button does: nothing is written to the disk before. Resolves when that is done; what is run then waits for the machine. */
  reset(): Promise<void>;
  stop(): Promise<void>;
}

const patienceMs = 600_000;

/** Resolves when the machine is switched on. */
export async function startBootMachine(options: BootMachineOptions): Promise<BootMachine> {
  const image = await cached("make-boot-image.sh", 900_000);
  const folder = await mkdtemp(join(tmpdir(), "virtwall-boot-"));
  const initramfs = join(folder, "initramfs.cpio");
  await packInitramfs(initramfs, image, options);
  const child = spawn("qemu-system-x86_64", qemuWords(folder, image, options), {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
  const console = () => readFile(join(folder, "console"), "utf8").catch(() => "");
  const line = new AgentLine(join(folder, "agent"), child, async () => {
    const end = (await console()).slice(-3_000);
    return `${complaint}\n${end}`;
  });
  const run = (script: string, timeoutMs = patienceMs) => line.ask(script, timeoutMs);
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return {
    run,
    console,
    must: async (script, timeoutMs) => {
      const { status, output } = await run(script, timeoutMs);
      if (status === 0) return output;
      throw new LabError(`in the machine, \`${script}\` ended with ${status}:\n${output}`);
    },
    untilOff: async () => {
      const isLate = await Promise.race([ended, sleep(patienceMs, true, { ref: false })]);
      if (isLate === true) {
        throw new LabError(`the machine does not switch itself off\n${await console()}`);
      }
    },
    reset: async () => {
      await line.untilUp(patienceMs);
      await monitor(join(folder, "monitor"), "system_reset");
      line.expectAnother();
    },
    stop: async () => {
      line.close();
      child.kill("SIGKILL");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function packInitramfs(
  target: string,
  image: string,
  { kernel, files, wants }: BootMachineOptions,
): Promise<void> {
  const tree = `${target}.lab`;
  await layOut(tree, files, wants);
  const archive = `${target}.tar`;
  await mustRun(["tar", "-C", tree, "--owner=0", "--group=0", "-cf", archive, "."]);
  await rm(tree, { recursive: true });
  const initramfs = await startInitramfs(target);
  await initramfs.addBusybox();
  await initramfs.addModules(join(image, `modules-${kernel}`), "order");
  await initramfs.addFile(join(projectRoot(), "lab", "boot", "init.sh"), "init");
  await initramfs.addFile(archive, "lab.tar");
  await initramfs.pack();
  await rm(archive);
}

/** Where a package would put it. */
async function layOut(
  tree: string,
  files: BootMachineOptions["files"],
  wants: BootMachineOptions["wants"],
): Promise<void> {
  const root = projectRoot();
  const home = join(tree, "usr/lib/virtwall");
  const program = ["bin", "dist/cli.js", "dist/daemon.js", "dist/gate.js", "package.json"];
  const koffi = ["node_modules/koffi", "node_modules/@koromix"];
  for (const part of [...program, ...koffi]) {
    const source = join(root, part);
    if (!existsSync(source)) throw new LabError(`${source} is missing: npm run build`);
    await cp(source, join(home, part), { recursive: true, dereference: true });
  }
  await symlink("../lib/virtwall/bin/virtwall", await placeIn(tree, "usr/bin/virtwall"));
  await cp(join(root, "system/units"), join(tree, "etc/systemd/system"), { recursive: true });
  for (const name of ["agent.pl", "echo.pl", "send.pl", "wire.pl"]) {
    await cp(join(root, "lab/boot", name), join(tree, "usr/local/sbin", name));
  }
  for (const [place, text] of Object.entries({ ...agentUnit, ...files })) {
    const mode = text.startsWith("#!") ? 0o755 : 0o644;
    await writeFile(await placeIn(tree, place), text, { mode });
  }
  const agent = ["sysinit.target", ["lab-agent.service"]] as const;
  for (const [target, units] of [agent, ...Object.entries(wants)]) {
    for (const unit of units) {
      const link = await placeIn(tree, `etc/systemd/system/${target}.wants/${unit}`);
      await symlink(unitFile(tree, unit), link);
    }
  }
}

/** A link that leads nowhere wants a unit just the same (systemd.unit(5)). */
function unitFile(tree: string, unit: string): string {
  const own = `/etc/systemd/system/${unit}`;
  return existsSync(join(tree, own)) ? own : `/usr/lib/systemd/system/${unit}`;
}

/** A place in the tree, in a folder that is there. */
async function placeIn(tree: string, place: string): Promise<string> {
  const file = join(tree, place);
  await mkdir(dirname(file), { recursive: true });
  return file;
}

const agentUnit = {
  "etc/systemd/system/lab-agent.service": `[Unit]
DefaultDependencies=no
[Service]
ExecStart=/usr/bin/perl /usr/local/sbin/agent.pl
Restart=always
`,
  // Nobody logs in there, and it would wait for that.
  "etc/systemd/system/serial-getty@ttyS0.service.d/none.conf":
    "[Unit]\nConditionPathExists=/none\n",
};

function qemuWords(folder: string, image: string, { kernel, tap }: BootMachineOptions): string[] {
  const append =
    "console=ttyS0 quiet panic=-1 rdinit=/init random.trust_cpu=on tsc=reliable net.ifnames=0 " +
    "systemd.show_status=no systemd.unit=multi-user.target";
  const at = (name: string) => join(folder, name);
  const options = {
    kernel: join(image, `vmlinuz-${kernel}`),
    initrd: at("initramfs.cpio"),
    append,
    // What is written lives as long as this process, through every reset.
    drive: `file=${join(image, "root.ext4")},format=raw,if=virtio,snapshot=on`,
    netdev: `tap,id=net,ifname=${tap},script=no,downscript=no`,
    device: "virtio-net-pci,netdev=net",
    mon: "chardev=monitor",
  };
  const sockets = ["agent", "monitor"].map((name) => [
    "-chardev",
    `socket,id=${name},path=${at(name)},server=on,wait=off`,
  ]);
  return [
    // Without cx16: QEMU 7.2 leaves rubbish in the flags after cmpxchg16b, and Linux 6.12 dies of it.
    "-machine q35 -accel tcg -cpu max,-cx16 -m 1024 -nodefaults -display none".split(" "),
    ...sockets,
    ["-serial", `file:${at("console")}`, "-serial", "chardev:agent"],
    ...Object.entries(options).map(([name, value]) => [`-${name}`, value]),
  ].flat();
}

/** Resolves when QEMU has carried out the command: it prompts anew then. */
async function monitor(path: string, command: string): Promise<void> {
  const socket = await connected(path);
  let text = "";
  await new Promise((resolve) => {
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (text.split("(qemu) ").length > 2) resolve(undefined);
    });
    socket.write(`${command}\n`);
  });
  socket.destroy();
}

async function connected(path: string): Promise<Socket> {
  for (let tries = 0; ; tries++) {
    const socket = connect(path);
    const error = await new Promise<Error | undefined>((resolve) => {
      socket.once("connect", () => resolve(undefined)).once("error", resolve);
    });
    if (error === undefined) return socket;
    if (tries > 300) throw new LabError(`QEMU does not come up: ${error.message}`);
    await sleep(100);
  }
}

/** What `agent.pl` says. */
class AgentLine {
  /** How often the agent has come up, and is to. */
  #timesUp = 0;
  #timesExpected = 1;
  readonly #ready: Promise<Socket>;
  readonly #explain: () => Promise<string>;
  readonly #answers = new Map<number, (answer: MachineAnswer) => void>();
  readonly #listeners = new Set<() => void>();
  #lastId = 0;
  #text = "";

  constructor(path: string, child: ChildProcess, explain: () => Promise<string>) {
    this.#explain = explain;
    this.#ready = connected(path).then((socket) => {
      socket.setEncoding("utf8").on("data", (text: string) => this.#hear(text));
      socket.on("error", () => undefined);
      return socket;
    });
    this.#ready.catch(() => undefined);
    child.once("exit", () => this.close());
  }

  close(): void {
    void this.#ready.then((socket) => socket.destroy()).catch(() => undefined);
  }

  /** The machine begins anew, and its agent with it. */
  expectAnother(): void {
    this.#timesExpected++;
  }

  async untilUp(timeoutMs: number): Promise<void> {
    await this.#within(timeoutMs, "it does not come up", (resolve) => {
      const look = (): void => {
        if (this.#timesUp >= this.#timesExpected) resolve(undefined);
      };
      this.#listeners.add(look);
      look();
    });
  }

  async ask(script: string, timeoutMs: number): Promise<MachineAnswer> {
    await this.untilUp(timeoutMs);
    const socket = await this.#ready;
    const id = ++this.#lastId;
    return this.#within(timeoutMs, `no answer to \`${script}\``, (resolve) => {
      this.#answers.set(id, resolve);
      socket.write(`${id} ${Buffer.from(script).toString("hex")}\n`);
    });
  }

  async #within<T>(
    timeoutMs: number,
    what: string,
    begin: (resolve: (value: T) => void) => void,
  ): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, undefined);
    });
    const done = new Promise<{ value: T }>((resolve) => begin((value) => resolve({ value })));
    const outcome = await Promise.race([done, late]);
    clearTimeout(timer);
    if (outcome !== undefined) return outcome.value;
    throw new LabError(`the machine: ${what} within ${timeoutMs} ms\n${await this.#explain()}`);
  }

  #hear(text: string): void {
    const lines = (this.#text + text).split("\n");
    this.#text = lines.pop() ?? "";
    for (const line of lines) {
      if (line.endsWith("up")) this.#timesUp++;
      const [, id, status, hex = ""] = /^(\d+) (\d+) ([0-9a-f]*)$/.exec(line) ?? [];
      const answer = { status: Number(status), output: Buffer.from(hex, "hex").toString("utf8") };
      if (id !== undefined) this.#answers.get(Number(id))?.(answer);
    }
    for (const listener of this.#listeners) listener();
  }
}
