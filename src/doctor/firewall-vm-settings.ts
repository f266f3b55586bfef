import type { Examination, Finding } from "./examination.ts";
import type { Facts } from "./facts.ts";
import { failed, inFirewallVm } from "./firewall-vm-links.ts";
import { settingName, settingText, sysctlText, type WantedSetting } from "./settings.ts";

type Settings = Facts["settings"];

/** The kernel sends on nothing: not by one interface, not of one family. */
export const unforwarded: Examination<"settings" | "desired"> = {
  id: "forwarding-off",
  needs: ["settings", "desired"],
  examine: (facts) =>
    inFirewallVm(facts, () => {
      const isForwarding = /^net\/(ipv4\/ip_forward|ipv[46]\/conf\/.+\/forwarding)$/;
      const on = [...facts.settings]
        .filter(([path, value]) => isForwarding.test(path) && value !== "0")
        .map(([path]) => path)
        .toSorted();
      if (on.length === 0) return [];
      // What stands for all of a family takes each of them along.
      const whole = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"];
      const heads = whole.filter((path) => on.includes(path));
      const isLed = (path: string) =>
        heads.some((head) => head !== path && head.slice(0, 8) === path.slice(0, 8));
      const wanted = on
        .filter((path) => !isLed(path))
        .map((path): WantedSetting => ({ path, value: "0" }));
      return [
        failed(
          "the kernel forwards: only our rules keep the host from being a way around the firewall guest",
          on.map((path) => settingText(facts.settings, path)),
          lasting(wanted),
        ),
      ];
    }),
};

/** On the bridge of the WAN the host says nothing and hears nothing of its own. */
export const silentWan: Examination<"settings" | "desired"> = {
  id: "wan-silent",
  needs: ["settings", "desired"],
  examine: (facts) =>
    inFirewallVm(facts, ({ wan }) => {
      const { settings } = facts;
      const wrong = [
        { path: `net/ipv6/conf/${wan}/disable_ipv6`, value: "1" },
        { path: `net/ipv6/conf/${wan}/accept_ra`, value: "0" },
      ].filter(({ path, value }) => (settings.get(path) ?? value) !== value);
      return [
        ...settingFinding(settings, wrong, `the host's IPv6 is awake on ${wan}`),
        ...settingFinding(
          settings,
          answersForOthers(settings, wan),
          `the host answers on ${wan} who asks for its other addresses (ARP)`,
        ),
      ];
    }),
};

/** 0 answers for any address of the host, 3 for any but those of narrow scope (Documentation/networking/ip-sysctl.rst). */
function answersForOthers(settings: Settings, wan: string): readonly WantedSetting[] {
  const path = (name: string) => `net/ipv4/conf/${name}/arp_ignore`;
  if (!settings.has(path(wan))) return [];
  const value = Math.max(...["all", wan].map((name) => Number(settings.get(path(name)) ?? 0)));
  return [1, 2, 8].includes(value) ? [] : [{ path: path(wan), value: "1" }];
}

function settingFinding(
  settings: Settings,
  wanted: readonly WantedSetting[],
  message: string,
): Finding[] {
  if (wanted.length === 0) return [];
  const seen = wanted.map(({ path }) => settingText(settings, path));
  return [failed(message, seen, lasting(wanted))];
}

/** What only crosses a bridge meets no rule of IP of this host: neither ours, nor those that somebody restarts. */
export const bridgedFrames: Examination<"settings" | "links" | "desired"> = {
  id: "bridged-frames",
  needs: ["settings", "links", "desired"],
  examine: (facts) =>
    inFirewallVm(facts, () => {
      const { settings, links, desired } = facts;
      const paths = ["iptables", "ip6tables", "arptables"].map(
        (name) => `net/bridge/bridge-nf-call-${name}`,
      );
      const on = paths.filter((path) => settings.get(path) === "1");
      const message = "frames of bridges meet this host's rules of IP";
      const carrying = desired.compiled.intent.networks.map(({ bridge }) => String(bridge));
      const own = links.filter(
        ({ name, filtersBridged }) => filtersBridged === true && carrying.includes(name),
      );
      return [
        ...settingFinding(
          settings,
          on.map((path) => ({ path, value: "0" })),
          message,
        ),
        ...own.map(({ name }) =>
          failed(
            message,
            [`ip -d link show ${name}: nf_call_iptables, nf_call_ip6tables or nf_call_arptables 1`],
            `ip link set ${name} type bridge nf_call_iptables 0 nf_call_ip6tables 0 nf_call_arptables 0`,
          ),
        ),
      ];
    }),
};

function lasting(wanted: readonly WantedSetting[]): string {
  const lines = wanted.map(({ path, value }) => `${settingName(path)} = ${value}`);
  return `${sysctlText(wanted)}, and into /etc/sysctl.d/60-firewall-vm.conf: ${lines.join("; ")}`;
}
