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
  publicAddress6: "2001:db8:1::20",
  network: "lan",
  bridge: "virbr-lan",
  /** The host's and the firewall guest's, inside. */
  hostInside: "192.168.100.1",
  inside: "192.168.100.2",
  hostInside6: "2001:db8:2::1",
  inside6: "2001:db8:2::2",
  /** IPv6 is routed and not rewritten: the world sends this to {@link publicAddress6}. */
  prefix6: "2001:db8:2::/64",
} as const;

/** What a guest of the LAN calls itself, told of the prefix by the firewall guest (RFC 4291, 2.5.1). */
export function inner6(mac: string): string {
  const [a = "", b = "", c = "", d = "", e = "", f = ""] = mac.split(":");
  const first = (Number.parseInt(a, 16) ^ 2).toString(16);
  const words = [`${first}${b}`, `${c}ff`, `fe${d}`, `${e}${f}`];
  return `2001:db8:2:0:${words.map((word) => Number.parseInt(word, 16).toString(16)).join(":")}`;
}

/** What libvirt is told of the inner network: it forwards nothing, and names the firewall guest as the way out. */
export const lanXml = `<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>${firewallVm.network}</name>
  <bridge name='${firewallVm.bridge}' stp='off' delay='0'/>
  <ip address='${firewallVm.hostInside}' netmask='255.255.255.0'>
    <dhcp><range start='192.168.100.100' end='192.168.100.200'/></dhcp>
  </ip>
  <ip family='ipv6' address='${firewallVm.hostInside6}' prefix='64'/>
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
ip -6 addr add ${firewallVm.publicAddress6}/64 dev eth0
ip -6 addr add ${firewallVm.inside6}/64 dev eth1
ip -6 route add default via ${client.address6}
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
cat >/tmp/rules <<'END'
table inet firewall {
  chain publish {
    type nat hook prerouting priority dstnat
    iifname "eth0" tcp dport 8080 dnat ip to 192.168.100.10:80
    iifname "eth0" udp dport 7007 dnat ip to 192.168.100.10:7
    iifname "eth0" tcp dport { 8443, 9443 } dnat ip to ${firewallVm.hostInside}
    iifname "eth0" tcp dport 8080 dnat ip6 to [${inner6("52:54:00:00:00:01")}]:80
  }
  chain source {
    type nat hook postrouting priority srcnat
    oifname "eth0" meta nfproto ipv4 masquerade
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
perl -e '
  use Socket qw(:DEFAULT inet_pton pack_sockaddr_in6);
  my $advert = pack("C2 n C2 n N2", 134, 0, 0, 64, 0, 1800, 0, 0)
    . pack("C4 N3 a16", 3, 4, 64, 0xc0, 86400, 86400, 0, inet_pton(AF_INET6, "2001:db8:2::"));
  socket(my $out, AF_INET6, SOCK_RAW, 58) or die $!;
  setsockopt($out, 41, 17, pack("I", $ARGV[0])) or die $!; # IPV6_MULTICAST_IF
  setsockopt($out, 41, 18, pack("I", 255)) or die $!; # IPV6_MULTICAST_HOPS
  while (1) { send($out, $advert, 0, pack_sockaddr_in6(0, inet_pton(AF_INET6, "ff02::1"))); sleep 2 }
' "$(cat /sys/class/net/eth1/ifindex)" &
`;
