/**
 * Names of protocols over IP. nft asks /etc/protocols for them when it lists, so which numbers have a name depends on the host; the
 * normal form has the names of those that rules name, and numbers for all others.
 */
const named = new Map([
  ["icmp", 1],
  ["igmp", 2],
  ["tcp", 6],
  ["udp", 17],
  ["dccp", 33],
  ["esp", 50],
  ["ah", 51],
  ["ipv6-icmp", 58],
  ["sctp", 132],
  ["udplite", 136],
]);

/** The rest of what Debian 12 and 13 have in that file (netbase 6.4). */
const others =
  "ip=0 ggp=3 ipencap=4 st=5 egp=8 igp=9 pup=12 hmp=20 xns-idp=22 rdp=27 iso-tp4=29 xtp=36 ddp=37 idpr-cmtp=38 ipv6=41 " +
  "ipv6-route=43 ipv6-frag=44 idrp=45 rsvp=46 gre=47 skip=57 ipv6-nonxt=59 ipv6-opts=60 rspf=73 vmtp=81 eigrp=88 ospf=89 " +
  "ax.25=93 ipip=94 etherip=97 encap=98 pim=103 ipcomp=108 vrrp=112 l2tp=115 isis=124 fc=133 mobility-header=135 " +
  "mpls-in-ip=137 manet=138 hip=139 shim6=140 wesp=141 rohc=142 ethernet=143";

const numbers = new Map(
  others.split(" ").map((entry): [string, number] => {
    const [name = "", number] = entry.split("=");
    return [name, Number(number)];
  }),
);
const names = new Map([...named].map(([name, number]) => [number, name]));

/** A name of {@link named}, else the number; a name that nobody knows stays. */
export function inetProtocol(value: string | number): string | number {
  const number = typeof value === "number" ? value : (named.get(value) ?? numbers.get(value));
  return number === undefined ? value : (names.get(number) ?? number);
}

/** The number of what {@link inetProtocol} gives; what has none stays. */
export function inetProtocolNumber(value: string | number): string | number {
  return typeof value === "number" ? value : (named.get(value) ?? value);
}
