import type { Examination } from "./examination.ts";
import { autostart, forwardingNetworks, innerRoutes } from "./firewall-vm-guests.ts";
import { firewallNics, wanBridge } from "./firewall-vm-links.ts";
import { firewallAnswers, packetsStopped, rulesAsDesired } from "./firewall-vm-packets.ts";
import { bridgedFrames, silentWan, unforwarded } from "./firewall-vm-settings.ts";

/** What holds on a host whose firewall is a guest, each point proven by itself. */
export const firewallVmPoints: readonly Examination[] = [
  wanBridge,
  silentWan,
  firewallNics,
  unforwarded,
  forwardingNetworks,
  bridgedFrames,
  rulesAsDesired,
  packetsStopped,
  innerRoutes,
  firewallAnswers,
  autostart,
];
