import { client, uplink } from "./uplink.ts";
import type { World } from "./world.ts";

/** A host whose firewall is a guest: who has which address. */
export const firewallVm = {
  guest: "fw",
  /** The bridge of the WAN, of which the uplink is a port, and how the host itself has {@link uplink.address} there. */
  wan: "br-wan",
  leg: "wan-host",
  legPort: "wan-port",
  publicAddress: "203.0.113.20",
  network: "lan",
  bridge: "virbr-lan",
  /** The host's and the firewall guest's, inside. */
  hostInside: "192.168.100.1",
  inside: "192.168.100.2",
} as const;

/** What libvirt is told of the inner network: it forwards nothing, and names the firewall guest as the way out. */
export const lanXml = `<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>${firewallVm.network}</name>
  <bridge name='${firewallVm.bridge}' stp='off' delay='0'/>
  <ip address='${firewallVm.hostInside}' netmask='255.255.255.0'>
    <dhcp><range start='192.168.100.100' end='192.168.100.200'/></dhcp>
  </ip>
  <dnsmasq:options><dnsmasq:option value='dhcp-option=option:router,${firewallVm.inside}'/></dnsmasq:options>
</network>`;

/** Puts the uplink of a world into a bridge without an address, and the host's address on a leg of its own. */
export async function addWanBridge(world: World): Promise<void> {
  const { wan, leg, legPort } = firewallVm;
  const commands = [
    `addr flush dev ${uplink.name}`,
    `link add ${wan} type bridge stp_state 0 forward_delay 0`,
    `link add ${leg} type veth peer name ${legPort}`,
    `link set ${uplink.name} master ${wan}`,
    `link set ${legPort} master ${wan}`,
    ...[wan, leg, legPort].map((name) => `link set ${name} up`),
    `addr add ${uplink.address}/24 dev ${leg}`,
    `addr add ${uplink.address6}/64 dev ${leg} nodad`,
    `route replace default via ${client.address} dev ${leg}`,
    `route replace default via ${client.address6} dev ${leg}`,
  ];
  for (const command of commands) await world.must(["ip", ...command.split(" ")]);
  const settings = [
    "net.ipv4.ip_forward=0",
    "net.ipv6.conf.all.forwarding=0",
    `net.ipv6.conf.${wan}.disable_ipv6=1`,
    `net.ipv6.conf.${wan}.accept_ra=0`,
    `net.ipv4.conf.${wan}.arp_ignore=1`,
    "net.bridge.bridge-nf-call-iptables=0",
    "net.bridge.bridge-nf-call-ip6tables=0",
    "net.bridge.bridge-nf-call-arptables=0",
  ];
  await world.must(["sysctl", "-qw", ...settings]);
}

/** The firewall guest's own rules: what it publishes, and whom it leads out under its address. */
export const firewallScript = `
ip link set eth1 up
ip addr add ${firewallVm.publicAddress}/24 dev eth0
ip addr add ${firewallVm.inside}/24 dev eth1
ip route add default via ${client.address}
echo 1 >/proc/sys/net/ipv4/ip_forward
cat >/tmp/rules <<'END'
table inet firewall {
  chain publish {
    type nat hook prerouting priority dstnat
    iifname "eth0" tcp dport 8080 dnat ip to 192.168.100.10:80
    iifname "eth0" udp dport 7007 dnat ip to 192.168.100.10:7
    iifname "eth0" tcp dport { 8443, 9443 } dnat ip to ${firewallVm.hostInside}
  }
  chain source {
    type nat hook postrouting priority srcnat
    oifname "eth0" masquerade
    oifname "eth1" ip daddr ${firewallVm.hostInside} tcp dport 8443 masquerade
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "eth1" oifname "eth0" accept
    ct status dnat accept
  }
}
END
/usr/sbin/nft -f /tmp/rules
`;
