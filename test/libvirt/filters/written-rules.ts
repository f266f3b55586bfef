type WrittenFilter = readonly [head: string, entries: string];

const ip =
  "srcmacaddr='2:0:0:0:0:1' srcipaddr='192.0.2.0' srcipmask='255.255.255.0' dstipfrom='10.0.0.1' dstipto='10.0.0.9' dscp='0x2e' connlimit-above='7' state='RELATED,new'";
const ip6 =
  "srcmacaddr='$MAC' srcipfrom='2001:DB8:0:0::1' srcipto='$TO' dstipaddr='FE80::' dstipmask='10' dscp='9' state='NONE'";
const ports = "srcportstart='1' srcportend='0xff' dstportstart='$PORT' dstportend='$PORT[@2]'";
const macs =
  "srcmacaddr='02:00:00:00:00:0A' srcmacmask='ff:ff:ff:0:0:0' dstmacaddr='$MAC' dstmacmask='ff:ff:ff:ff:ff:00'";
const arp =
  "hwtype='1' protocoltype='0x0800' opcode='request' arpsrcmacaddr='$MAC' arpdstmacaddr='2:0:0:0:0:2' arpsrcipaddr='$IP' arpsrcipmask='24' arpdstipaddr='192.0.2.1' gratuitous='yes'";
const stp =
  "srcmacaddr='2:0:0:0:0:1' srcmacmask='ff:0:0:0:0:0' type='0x80' flags='1' root-priority='1' root-priority-hi='0x10' root-address='2:0:0:0:0:3' root-address-mask='ff:ff:ff:ff:ff:ff' root-cost='1' root-cost-hi='4294967295' sender-priority='3' sender-priority-hi='4' sender-address='2:0:0:0:0:4' sender-address-mask='ff:ff:0:0:0:0' port='1' port-hi='2' age='1' age-hi='2' max-age='3' max-age-hi='4' hello-time='5' hello-time-hi='6' forward-delay='7' forward-delay-hi='8'";

function rules(...elements: readonly string[]): WrittenFilter {
  const all = elements.map((element) => `<rule action='drop' direction='out'>${element}</rule>`);
  return ["", all.join("\n")];
}

/** Filters without a word that libvirt misreads. */
export const plainRules: readonly WrittenFilter[] = [
  ["chain='root'", ""],
  ["chain='mac-x' priority='-800'", ""],
  ["chain='vlan.x'", "<!-- nothing --> <rule action='accept' direction='inout'/>"],
  ["chain='stp'", "<rule action='reject' direction='in' priority='-1000'/>"],
  ["chain='stp' priority='-810'", "<rule action='return' direction='in' statematch='FALSE'/>"],
  ["chain='ipv4:x'", "<rule action='continue' direction='in' priority='+1000' statematch='0'/>"],
  ["chain='arp_12345678'", ""],
  ["chain='rarp'", "<filterref filter='allow-arp'/>"],
  [
    "chain='ipv6'",
    "<filterref filter='no-ip-spoofing'><parameter name='Z' value='1'/><parameter name='IP' value='192.0.2.9'/><parameter name='IP' value='192.0.2.1'/></filterref>",
  ],
  rules("<mac/>", `<mac ${macs} protocolid='0x0806'/>`, "<mac protocolid='2101'/>"),
  rules("<mac protocolid='0x835'/>", "<mac match='no' protocolid='VLAN'/>"),
  rules(`<vlan ${macs} vlanid='0x10' encap-protocol='IPv4'/>`, "<vlan vlanid='$ID[3]'/>"),
  rules("<vlan encap-protocol='0x3c'/>", "<vlan vlanid='4095' comment='last &lt;one&gt;'/>"),
  rules(`<stp ${stp}/>`, "<stp match='no' type='1' root-cost='1' root-cost-hi='2'/>"),
  rules(`<arp ${macs} ${arp}/>`, `<rarp ${arp}/>`, "<arp opcode='0x10'/>", "<arp opcode='3'/>"),
  rules("<arp match='no' arpsrcipaddr='192.0.2.1' arpsrcipmask='25' gratuitous='1'/>"),
  rules(
    `<ip ${macs} srcipaddr='192.0.2.0' srcipmask='24' dstipaddr='$IP' protocol='6' ${ports} dscp='63'/>`,
    "<ip protocol='0x2f'/><ip match='no' srcipaddr='192.0.2.1'/>",
    "<ip protocol='33' dstportstart='1' comment='it&apos;s &quot;one&quot; &amp; only'/>",
    "<ip match='no' protocol='$PROTO' dscp='0x3f'/>",
  ),
  rules(
    `<ipv6 ${macs} srcipaddr='2001:DB8:0::1' srcipmask='ffff:ffff::' protocol='UDP' ${ports}/>`,
    "<ipv6 protocol='icmpv6' type='1' typeend='3' code='0' codeend='0x9'/>",
    "<ipv6 protocol='icmpv6'/><ipv6 match='no' type='133' typeend='136' code='0'/>",
  ),
  rules(`<tcp ${ip} ${ports} option='2' flags='SYN,RST/SYN' comment='c'/>`),
  rules("<tcp flags='all/none'/>", "<tcp match='no' flags='FIN,SYN,RST,PSH,ACK,URG/ack'/>"),
  rules("<tcp match='no' srcportstart='1' dstportstart='2' dstportend='3' srcipaddr='1.2.3.4'/>"),
  rules(`<udp ${ip} ${ports}/>`, `<sctp ${ip} ${ports}/>`, `<udplite ${ip}/>`),
  rules(`<esp ${ip}/>`, `<ah ${ip}/>`, `<igmp ${ip}/>`, `<icmp ${ip} type='8' code='0x0'/>`),
  rules("<all ipset='a+b c:d' ipsetflags='SRC,dst'/>", "<all ipset='$SET' ipsetflags='dst'/>"),
  rules("<icmp match='no' type='3' code='1'/>", "<icmpv6 type='$T' code='1'/>"),
  rules(`<tcp-ipv6 ${ip6} ${ports} option='0x2'/>`, `<udp-ipv6 ${ip6} ${ports}/>`),
  rules(`<sctp-ipv6 ${ip6} ${ports}/>`, `<udplite-ipv6 ${ip6}/>`, `<esp-ipv6 ${ip6}/>`),
  rules(`<ah-ipv6 ${ip6}/>`, `<icmpv6 ${ip6} type='128'/>`, `<all-ipv6 ${ip6}/>`),
  rules("<ip srcipaddr='$A' dstipaddr='$B[ @1 ]'/>", "<ip srcipaddr='$A[ 2]' dstipaddr='$A[@0]'/>"),
];

/** Filters that libvirt takes, each with one word that it misreads or leaves out. */
export const misreadRules: readonly WrittenFilter[] = [
  rules("<tcp match='no' dstportstart='80'/>"),
  rules("<tcp match='no' srcportstart='80'/><tcp dstportstart='80' dstportend='90'/>"),
  rules("<udp-ipv6 match='no' dstportstart='80' dstportend='90'/>"),
  rules("<sctp match='no' srcipaddr='192.0.2.1' dstportstart='80'/>"),
  rules("<tcp ipset='foo' ipsetflags='src,dst' dstportstart='99'/>"),
  rules("<tcp/><udp/>"),
  rules("<tpc/>"),
  rules("<tcp dstport='80'/>"),
  rules("<tcp><what/></tcp>"),
  rules("<tcp>80</tcp>"),
  rules("<mac protocolid='86dd'/>"),
  rules("<tcp dstportstart='ff'/>"),
  rules("<ip srcipaddr='10.0.0.010'/>"),
  rules("<arp arpsrcipaddr='0xa.1.258'/>"),
  rules("<tcp srcipfrom='10.1' srcipto='10.3'/>"),
  rules("<ip srcipaddr='10.0.0.0' srcipmask='0377.0xff.0'/>"),
  rules("<tcp dstportstart=' +80'/>"),
  rules("<tcp match='NO' dstportstart='80'/>"),
  rules("<arp match='no'/>"),
  rules("<ip srcipaddr='192.0.2.1'/><ip srcipaddr='192.0.2.2'/>"),
  rules("<ip srcipaddr='$A[@1]x'/>"),
  rules(`<ip comment='${"long ".repeat(60)}'/>`),
  rules("<tcp state='NEW,,ESTABLISHED'/>"),
  rules("<tcp state='NEW,NONE'/>"),
  ["", "<rule action='drop' direction='out' priority='1001'/>"],
  ["", "<rule action='drop' direction='out' priority='x'/>"],
  ["", "<rule action='drop' direction='out' statematch='no'/>"],
  ["", "<rule action='drop' direction='out' prio='1'/>"],
  ["", "<rule action='drop' direction='out'/> and more"],
  ["", "<filterref filter='allow-arp'><parameter name='I-P' value='1'/></filterref>"],
  ["", "<filterref filter='allow-arp'><parameter name='IP' value='192.0.2.0/24'/></filterref>"],
  ["", "<filterref filter='allow-arp'><parameter name='IP'/></filterref>"],
  ["", "<filterref filter='allow-arp' name='x'/>"],
  ["priority='-500'", ""],
  ["kind='x'", ""],
  ["", "<rules/>"],
];

/** Those of them that libvirt 11.3 takes no longer. */
export const refusedLater: readonly string[] = [
  "<rule action='drop' direction='out' priority='x'/>",
];
