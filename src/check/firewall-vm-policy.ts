import type { Mac } from "../base/mac.ts";
import { quote } from "../base/quote.ts";
import { firewallOf } from "../model/firewall-vm.ts";
import type { NetworkPolicy, Policy } from "../model/policy.ts";
import type { Place, Problem } from "../model/problem.ts";
import { breach } from "./law.ts";
import type { PolicyLaw } from "./law.ts";

/** Where a guest forwards in this host's place, policy asks nothing of the host that it would have to forward for. */
export const firewallVmPolicy: PolicyLaw = (policy) => {
  const { host } = policy;
  const keyAt = (key: string) => host.keysAt?.get(key) ?? host.at;
  if (host.topology === "host") {
    if (host.firewallVm === undefined) return [];
    const message = "'firewallVm' counts with topology: firewall-vm alone, and this host forwards";
    return [wrong("FIREWALL_VM_UNUSED", keyAt("firewallVm"), [message, "topology: firewall-vm"])];
  }
  const firewall = firewallOf(policy);
  if (firewall === undefined || firewall.guests.length === 0) {
    const message = "topology firewall-vm does not say which guest it is";
    const hint = "firewallVm: { guest: NAME, wan: BRIDGE }";
    return [wrong("FIREWALL_VM_MISSING", keyAt("topology"), [message, hint])];
  }
  const owner = firewall.guests.map(quote).join(" and ");
  return [
    ...firewall.macs.filter(isForMany).map((mac) => manyMac(mac, keyAt("firewallVm"))),
    ...(host.input === undefined ? [openHost(keyAt("topology"))] : []),
    ...publications(policy, owner),
    ...[...policy.networks.values()].flatMap((network) => ofNetwork(network, owner)),
  ];
};

/** The first bit on the wire (IEEE 802). */
const isForMany = (mac: Mac) => Number.parseInt(mac.slice(0, 2), 16) % 2 === 1;

function manyMac(mac: Mac, at: Place): Problem {
  const message = `${mac} is for many to hear, and nobody's to send under`;
  return wrong("FIREWALL_VM_MAC", at, [message, "macs: [00:00:5e:00:01:NUMBER]"]);
}

function openHost(at: Place): Problem {
  const message =
    "topology firewall-vm closes the host's own addresses, and no host.input opens any";
  const hint = "input: [{ allow: tcp/22, from: [ADDRESSES] }]";
  return wrong("FIREWALL_VM_INPUT", at, [message, hint]);
}

function publications({ guests }: Policy, firewall: string): Problem[] {
  return [...guests.values()].flatMap(({ name, publish }) =>
    publish.map(({ at }) => {
      const message = `this host forwards nothing to ${quote(name)}: topology firewall-vm leaves that to ${firewall}`;
      const hint = `publish it in ${firewall}; what the host itself serves is opened by host.input`;
      return wrong("FIREWALL_VM_PUBLISH", at, [message, hint]);
    }),
  );
}

function ofNetwork({ name, mode, at, nat, reach }: NetworkPolicy, firewall: string): Problem[] {
  const routes = (what: string, place: Place) => {
    const message = `${what} of network ${quote(name)} needs this host to forward: topology firewall-vm leaves that to ${firewall}`;
    const hint = `remove it, and let ${firewall} do it`;
    return wrong("FIREWALL_VM_ROUTES", place, [message, hint]);
  };
  return [
    ...(mode === undefined || mode === "isolated" ? [] : [routes(`mode ${mode}`, at)]),
    ...(nat === undefined ? [] : [routes("nat", nat.at)]),
    ...reach.map((other) => routes(`reach ${quote(other.name)}`, other.at)),
  ];
}

function wrong(code: string, at: Place, [message, hint]: readonly [string, string]): Problem {
  return breach("error", code, { at, message, hint });
}
