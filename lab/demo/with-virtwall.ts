import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { hostFirewall, strictRules } from "../host-firewall.ts";
import { projectRoot } from "../project-root.ts";
import { LabError } from "../run-program.ts";
import { startStream } from "../stream/start-stream.ts";
import { uplink } from "../uplink.ts";
import type { Running } from "../running.ts";
import type { World } from "../world.ts";
import type { Measurement } from "./measurement.ts";
import {
  fetchPages,
  pause,
  publishedGuest,
  publishedPorts,
  streamPlan,
  type Stage,
} from "./stage.ts";

const restarts = 60;

const policy = `guests:
  ${publishedGuest.name}:
    publish:
      - address: ${uplink.address}
        ports: ["tcp/${publishedPorts.http}:80", "udp/${publishedPorts.udp}:7"]
`;

export interface WithVirtwall {
  readonly measurement: Measurement;
  /** What `virtwall status` prints. */
  readonly status: string;
}

/** The same guests behind a host firewall that has never heard of them, with virtwall. */
export async function measureWithVirtwall(
  stage: Stage,
  say: (line: string) => void,
): Promise<WithVirtwall> {
  const { world, libvirt } = stage;
  const firewall = await hostFirewall(world, strictRules);
  // libvirt's own rules stand again beside it, as after a boot.
  await libvirt.restart();

  say("writing /etc/virtwall/policy.yaml and starting `virtwall daemon`");
  process.stdout.write(indent(policy));
  await mkdir(world.pathOf("/etc/virtwall"), { recursive: true });
  await writeFile(world.pathOf("/etc/virtwall/policy.yaml"), policy);
  const daemon = await startVirtwall(world);
  try {
    say(`virtwall integrate --file ${firewall.file}`);
    process.stdout.write(indent(await virtwall(world, "integrate", "--file", firewall.file)));
    await firewall.restart();
    const pages = await fetchPages(stage);

    say(`virtwall: ${restarts} restarts of the host firewall (flush ruleset, load), nothing after`);
    const stream = await startStream(world, streamPlan);
    for (let done = 0; done < restarts; done += 1) {
      await pause(150);
      await firewall.restart();
    }
    const report = await stream.end();
    const status = await virtwall(world, "status");
    return {
      measurement: { title: ["", "", "virtwall"], pages, restarts, stream: report },
      status,
    };
  } finally {
    await daemon.end();
  }
}

function program(): readonly string[] {
  return [process.execPath, join(projectRoot(), "bin", "virtwall")];
}

/** Runs one command of virtwall in the world. */
export function virtwall(world: World, ...words: readonly string[]): Promise<string> {
  return world.must([...program(), ...words]);
}

/** Starts the daemon with all its default paths, which are the world's own; resolves once it says `ready`. */
export async function startVirtwall(world: World): Promise<Running> {
  if (!existsSync(join(projectRoot(), "dist", "daemon.js"))) {
    throw new LabError("dist/daemon.js is missing: npm run build");
  }
  const daemon = await world.start([...program(), "daemon"]);
  const deadline = Date.now() + 20_000;
  while (!/^ready\b/m.test(daemon.stdout())) {
    if (Date.now() > deadline) {
      await daemon.end("SIGKILL");
      throw new LabError(`virtwall daemon is not ready after 20 s:\n${daemon.output()}`);
    }
    await Promise.race([pause(50), daemon.ended.then(endedEarly)]);
  }
  return daemon;

  function endedEarly(status: number): never {
    throw new LabError(`virtwall daemon ended with ${status}:\n${daemon.output()}`);
  }
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, "      | ");
}
