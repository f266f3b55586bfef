import { hostFirewall, strictRules } from "../host-firewall.ts";
import { startStream } from "../stream/start-stream.ts";
import { uplink } from "../uplink.ts";
import { startVirtwall, virtwall, writePolicy } from "../virtwall.ts";
import type { Measurement } from "./measurement.ts";
import {
  fetchPages,
  pause,
  publishedGuest,
  publishedPorts,
  reachesOutside,
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
  await writePolicy(world, policy);
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
    const measurement: Measurement = {
      title: ["", "", "virtwall"],
      pages,
      reachesOutside: await reachesOutside(stage),
      restarts,
      stream: report,
    };
    return { measurement, status };
  } finally {
    await daemon.end();
  }
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, "      | ");
}
