import { repairByRestart, retireClassicHook } from "../classic-hook.ts";
import { handTunedRules, hostFirewall } from "../host-firewall.ts";
import { startStream } from "../stream/start-stream.ts";
import type { Measurement } from "./measurement.ts";
import {
  fetchPages,
  pause,
  publishedGuest,
  reachesOutside,
  streamPlan,
  type Stage,
} from "./stage.ts";

const restarts = 15;

/** libvirt and the hook script, with the two ways admins have to get their guests back after a restart. */
export async function measureWithoutVirtwall(
  stage: Stage,
  say: (line: string) => void,
): Promise<Measurement[]> {
  const { world, libvirt } = stage;
  const pages = await fetchPages(stage);
  const firewall = await hostFirewall(world, handTunedRules);
  await repairByRestart(world, libvirt, publishedGuest.address);

  say(
    `libvirt + hook script: ${restarts} restarts of the host firewall, libvirtd restarted after each`,
  );
  const repaired = await startStream(world, streamPlan);
  for (let done = 0; done < restarts; done += 1) {
    await pause(150);
    await firewall.restart();
    await repairByRestart(world, libvirt, publishedGuest.address);
  }
  const restarted = await repaired.end();
  const afterRestart = await reachesOutside(stage);

  say("the same, with `systemctl reload libvirtd` as libvirt's documentation says: 1 restart");
  const abandoned = await startStream(world, streamPlan);
  await pause(500);
  await firewall.restart();
  await libvirt.reload();
  await pause(3_000);
  const reloaded = await abandoned.end();
  const afterReload = await reachesOutside(stage);

  await retireClassicHook(world);
  return [
    {
      title: ["libvirt +", "hook script,", "libvirtd reload"],
      pages,
      reachesOutside: afterReload,
      restarts: 1,
      stream: reloaded,
    },
    {
      title: ["libvirt +", "hook script,", "libvirtd restart"],
      pages,
      reachesOutside: afterRestart,
      restarts,
      stream: restarted,
    },
  ];
}
