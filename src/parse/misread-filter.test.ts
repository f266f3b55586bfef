import { describe, expect, test } from "vitest";
import { parseFilterXml } from "./filter-xml.ts";
import { printFilterXml } from "./print-filter.ts";

function problemsOf(text: string, isCompat: boolean) {
  return parseFilterXml({ file: "f", text }, { isCompat }).problems.map(
    ({ at, severity, code, message, hint }) => ({
      text: `${at.line}:${at.column} ${severity} ${code}: ${message}`,
      hint: hint ?? "",
    }),
  );
}

/** What stands in the one rule of a filter as printed, or what stands in the filter. */
function compat(text: string): string {
  const { filter } = parseFilterXml({ file: "f", text }, { isCompat: true });
  if (filter === undefined) return "none";
  return printFilterXml(filter)
    .replace(/\n\s*/g, "")
    .replace(/^<filter [^>]*>(.*)<\/filter>$/, "$1")
    .replace(/^<rule action='drop' direction='out' priority='500'>(.*)<\/rule>$/, "$1");
}

const rule = (inside: string) => filter(`<rule action='drop' direction='out'>${inside}</rule>`);
const filter = (inside: string) => `<filter name='f'>${inside}</filter>`;

describe("what libvirt misreads is an error, and a warning where its reading is wanted", () => {
  test.each<
    [text: string, place: string, what: string, libvirt: string, hint: string, reading: string]
  >([
    [
      rule("<tcp match='no' dstportstart='80'/>"),
      "1:70",
      "dstportstart is negated",
      "takes it for not negated, as srcportstart is",
      "write two rules: dstportstart='0' dstportend='79' and dstportstart='81' dstportend='65535'",
      "<tcp dstportstart='80'/>",
    ],
    [
      rule("<udp-ipv6 match='no' dstportstart='80' dstportend='90'/>"),
      "1:75",
      "dstportstart is negated",
      "takes it for not negated, as srcportstart is",
      "write two rules: dstportstart='0' dstportend='79' and dstportstart='91' dstportend='65535'",
      "<udp-ipv6 dstportstart='80' dstportend='90'/>",
    ],
    [
      rule("<ipv6 protocol='icmpv6' typeend='4'/>"),
      "1:78",
      "typeend stands without type",
      "begins at 0",
      "write type='0' too",
      "<ipv6 protocol='icmpv6' type='0' typeend='4'/>",
    ],
    [
      rule("<ip srcipaddr='10.0.0.010'/>"),
      "1:58",
      "srcipaddr is '10.0.0.010'",
      "reads 10.0.0.8",
      "it takes an IPv4 address",
      "<ip srcipaddr='10.0.0.8'/>",
    ],
    [
      rule("<icmp match='no' code='3'/>"),
      "1:71",
      "code stands without type",
      "leaves it out",
      "write type too",
      "<icmp/>",
    ],
    [
      rule("<icmp type='3'/><icmp match='no' code='3'/>"),
      "1:87",
      "code is negated",
      "takes it for not negated, as type is",
      "write code and type into one element",
      "<icmp type='3' code='3'/>",
    ],
    [
      rule("<ipv6 protocol='icmpv6'/><ipv6 match='no' code='3'/>"),
      "1:96",
      "code is negated",
      "takes it for not negated, as type is",
      "write code and type into one element",
      "<ipv6 protocol='icmpv6' code='3'/>",
    ],
    [
      rule("<tcp ipset='foo' ipsetflags='src,dst' dstportstart='99'/>"),
      "1:59",
      "<tcp> names a set",
      "looks at no set",
      "write <all ipset='NAME' ipsetflags='src'/>, with src or dst",
      "<tcp dstportstart='99'/>",
    ],
    [
      rule("<all ipset='foo'/>"),
      "1:59",
      "ipset stands without ipsetflags",
      "looks at no set",
      "write <all ipset='NAME' ipsetflags='src'/>, with src or dst",
      "<all/>",
    ],
    [
      rule("<all-ipv6 ipsetflags='src'/>"),
      "1:64",
      "ipsetflags stands without ipset",
      "leaves it out",
      "write ipset too",
      "<all-ipv6/>",
    ],
    [
      rule("<all match='no' ipset='foo' ipsetflags='src'/>"),
      "1:70",
      "ipset is negated",
      "takes it for not negated",
      "name what shall match",
      "<all ipset='foo' ipsetflags='src'/>",
    ],
    [
      rule("<tcp/><udp/>"),
      "1:60",
      "the rule is about <tcp> already, and <udp> is another protocol",
      "leaves the element out",
      "write a rule of its own",
      "<tcp/>",
    ],
    [
      rule("<tpc/>"),
      "1:54",
      "<tpc> is no protocol",
      "applies the rule to every frame",
      "write <tcp>",
      "<rule action='drop' direction='out' priority='500'/>",
    ],
    [
      rule("<tcp dstport='80'/>"),
      "1:59",
      "<tcp> has no attribute 'dstport'",
      "leaves it out",
      "write dstportstart",
      "<tcp/>",
    ],
    [
      rule("<stp port_hi='80'/>"),
      "1:59",
      "<stp> has no attribute 'port_hi'",
      "leaves it out",
      "write port-hi",
      "<stp/>",
    ],
    [
      rule("<stp msg-age='80'/>"),
      "1:59",
      "<stp> has no attribute 'msg-age'",
      "leaves it out",
      "write age",
      "<stp/>",
    ],
    [
      rule("<icmp srcmacmask='ff:ff:ff:ff:ff:ff'/>"),
      "1:60",
      "<icmp> has no attribute 'srcmacmask'",
      "leaves it out",
      "it takes match, srcmacaddr, srcipaddr, srcipmask, dstipaddr, dstipmask, srcipfrom, srcipto, dstipfrom, dstipto, dscp, connlimit-above, state, ipset, ipsetflags, type, code, comment",
      "<icmp/>",
    ],
    [
      rule("<tcp><what/></tcp>"),
      "1:59",
      "<tcp> holds no <what>",
      "leaves it out",
      "take it away",
      "<tcp/>",
    ],
    [
      rule("<tcp>80</tcp>"),
      "1:54",
      "<tcp> holds text",
      "leaves it out",
      "take it away, or make it a comment of XML's",
      "<tcp/>",
    ],
    [
      filter("<filterref filter='a'><parameter name='I-P' value='1'/></filterref>"),
      "1:51",
      "'I-P' cannot be the name of a parameter",
      "leaves the parameter out",
      "it takes letters, digits and _",
      "<filterref filter='a'/>",
    ],
    [
      filter("<filterref filter='a'><parameter name='IP' value='192.0.2.0/24'/></filterref>"),
      "1:61",
      "'192.0.2.0/24' cannot be the value of a parameter",
      "leaves the parameter out",
      "it takes letters, digits, _, . and :; a list is several <parameter> of one name",
      "<filterref filter='a'/>",
    ],
    [
      filter("<filterref filter='a'><parameter name='IP' value=''/></filterref>"),
      "1:61",
      "'' cannot be the value of a parameter",
      "leaves the parameter out",
      "it takes letters, digits, _, . and :; a list is several <parameter> of one name",
      "<filterref filter='a'/>",
    ],
    [
      rule(`<ip comment='${"x".repeat(257)}'/>`),
      "1:58",
      "the comment has more than 256 bytes",
      "cuts it off",
      "shorten it",
      `<ip comment='${"x".repeat(256)}'/>`,
    ],
    [
      rule("<ip comment='$x'/>"),
      "1:58",
      "the comment begins with $",
      "takes it for a variable and leaves it out",
      "begin it otherwise",
      "<ip/>",
    ],
    [
      rule("<tcp dstportstart='ff'/>"),
      "1:59",
      "dstportstart is 'ff'",
      "reads 255",
      "write 0xff, or the number that is meant",
      "<tcp dstportstart='0xff'/>",
    ],
    [
      rule("<tcp dstportstart=' 8'/>"),
      "1:59",
      "dstportstart is ' 8'",
      "reads 8",
      "write 8, or the number that is meant",
      "<tcp dstportstart='8'/>",
    ],
    [
      rule("<tcp match='NO'/>"),
      "1:59",
      "match is 'NO'",
      "takes it for yes",
      "write yes or no",
      "<tcp/>",
    ],
    [
      rule("<tcp match='no'/>"),
      "1:59",
      "match='no' stands on an element without attributes",
      "takes it for <tcp/>",
      "name what shall not match",
      "<tcp/>",
    ],
    [
      rule("<arp gratuitous='no'/>"),
      "1:59",
      "gratuitous is false",
      "leaves it out",
      "write <arp match='no' gratuitous='true'/> for frames that are not",
      "<arp/>",
    ],
    [
      rule("<tcp state='NEW,NONE'/>"),
      "1:59",
      "state is 'NEW,NONE'",
      "reads NONE",
      "it takes NEW, ESTABLISHED, RELATED and INVALID with commas between, or NONE",
      "<tcp state='NONE'/>",
    ],
    [
      rule("<tcp match='no' state='NEW'/>"),
      "1:70",
      "state is negated",
      "takes it for not negated",
      "name what shall match",
      "<tcp state='NEW'/>",
    ],
    [
      rule("<tcp state='$S'/>"),
      "1:59",
      "state is the variable '$S'",
      "leaves it out",
      "write the value: it takes NEW, ESTABLISHED, RELATED and INVALID with commas between, or NONE",
      "<tcp/>",
    ],
    [
      rule("<ip srcipaddr='$A[1]x'/>"),
      "1:58",
      "'x' stands behind a variable",
      "leaves it out",
      "a value is one variable, or none",
      "<ip srcipaddr='$A[1]'/>",
    ],
    [
      rule("<ip srcipmask='24'/>"),
      "1:58",
      "srcipmask stands without srcipaddr",
      "leaves it out",
      "write srcipaddr too",
      "<ip/>",
    ],
    [
      rule("<tcp srcipaddr='192.0.2.1' srcipfrom='192.0.2.1' srcipto='192.0.2.3'/>"),
      "1:81",
      "srcipfrom stands beside srcipaddr",
      "looks at srcipaddr alone",
      "write one of the two",
      "<tcp srcipaddr='192.0.2.1'/>",
    ],
    [
      rule("<tcp dstportend='24'/>"),
      "1:59",
      "dstportend stands without dstportstart",
      "leaves it out",
      "write dstportstart too",
      "<tcp/>",
    ],
    [
      rule("<ip srcipaddr='192.0.2.1'/><ip srcipaddr='192.0.2.2'/>"),
      "1:85",
      "srcipaddr is given a second time",
      "forgets the first",
      "write a rule for each value, or a variable with several",
      "<ip srcipaddr='192.0.2.2'/>",
    ],
    [
      filter("<rule action='drop' direction='in' priority='1001'/>"),
      "1:53",
      "priority '1001' is not in -1000 to 1000",
      "takes 500",
      "write a number from -1000 to 1000",
      "<rule action='drop' direction='in' priority='500'/>",
    ],
    [
      filter("<rule action='drop' direction='in' priority=''/>"),
      "1:53",
      "priority '' is not in -1000 to 1000",
      "takes 500",
      "write a number from -1000 to 1000",
      "<rule action='drop' direction='in' priority='500'/>",
    ],
    [
      filter("<rule action='drop' direction='in' statematch='no'/>"),
      "1:53",
      "statematch is 'no'",
      "takes it for true",
      "write false, or leave the attribute out",
      "<rule action='drop' direction='in' priority='500'/>",
    ],
    [
      filter("<rule action='drop' direction='in' prio='1'/>"),
      "1:53",
      "<rule> has no attribute 'prio'",
      "leaves it out",
      "write priority",
      "<rule action='drop' direction='in' priority='500'/>",
    ],
    [filter("<rules/>"), "1:18", "<filter> holds no <rules>", "leaves it out", "write <rule>", ""],
    [
      filter("rule"),
      "1:1",
      "<filter> holds text",
      "leaves it out",
      "take it away, or make it a comment of XML's",
      "",
    ],
    [
      "<filter name='f' priority='5'/>",
      "1:18",
      "the filter has a priority and no chain",
      "leaves the priority out",
      "write chain='root', or leave the priority out",
      "",
    ],
    [
      "<filter name='f' chains='ipv4'/>",
      "1:18",
      "<filter> has no attribute 'chains'",
      "leaves it out",
      "write chain",
      "",
    ],
  ])("%s", (...[text, place, what, libvirt, hint, reading]) => {
    const said = `MISREAD_FILTER: ${what}: libvirt ${libvirt}`;
    expect(problemsOf(text, false)).toEqual([{ text: `${place} error ${said}`, hint }]);
    const warning = `${place} warning ${said}, and so does this`;
    expect(problemsOf(text, true)).toEqual([{ text: warning, hint }]);
    expect(compat(text)).toBe(reading);
  });
});

describe("what libvirt cannot use either is an error in any case", () => {
  test.each<[text: string, said: string, hint: string]>([
    [
      rule("<tcp-ipv6 ipset='foo'/>"),
      "1:64 BAD_FILTER_RULE: <tcp-ipv6> names a set: libvirt cannot apply that to a nic",
      "write <all-ipv6 ipset='NAME' ipsetflags='src'/>, with src or dst",
    ],
    [
      rule("<udp-ipv6 dstipfrom='2001:db8::1' dstipto='192.0.2.1'/>"),
      "1:88 BAD_FILTER_VALUE: '192.0.2.1' is no value of 'dstipto'",
      "it takes an IPv6 address",
    ],
    [
      filter("<rule direction='in'/>"),
      "1:18 BAD_FILTER_RULE: <rule> has no action",
      "write one of accept, drop, reject, return, continue",
    ],
    [
      filter("<rule action='deny' direction='in'/>"),
      "1:24 BAD_FILTER_RULE: 'deny' is no action of a rule",
      "write one of accept, drop, reject, return, continue",
    ],
    [
      filter("<rule action='drop'/>"),
      "1:18 BAD_FILTER_RULE: <rule> has no direction",
      "write one of in, out, inout",
    ],
    [
      filter("<rule action='drop' direction='both'/>"),
      "1:38 BAD_FILTER_RULE: 'both' is no direction of a rule",
      "write one of in, out, inout",
    ],
    [
      filter("<filterref/>"),
      "1:18 BAD_FILTER_REFERENCE: <filterref> names no filter",
      "write <filterref filter='NAME'/>",
    ],
    ["<filter/>", "1:1 BAD_FILTER_NAME: the filter has no name", "write <filter name='NAME'>"],
    [
      "<filter name='../x'/>",
      "1:9 BAD_FILTER_NAME: '../x' cannot be the name of a filter",
      "a filter is kept in a file of its name: letters, digits, - and _ are safe",
    ],
    [
      "<filter name='.x'/>",
      "1:9 BAD_FILTER_NAME: '.x' cannot be the name of a filter",
      "a filter is kept in a file of its name: letters, digits, - and _ are safe",
    ],
    [
      "<filter name='a&#9;b'/>",
      "1:9 BAD_FILTER_NAME: 'a\\x09b' cannot be the name of a filter",
      "a filter is kept in a file of its name: letters, digits, - and _ are safe",
    ],
    [
      `<filter name='${"x".repeat(251)}'/>`,
      "1:9 BAD_FILTER_NAME: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\u2026' cannot be the name of a filter: it has more than 250 bytes",
      "shorten it: a filter is kept in a file of its name",
    ],
    [
      filter("<uuid>no</uuid>"),
      "1:18 BAD_FILTER_UUID: 'no' is not a UUID",
      "leave the element out: a new filter gets one",
    ],
    [
      "<filter name='f' chain='rooted'/>",
      "1:18 BAD_FILTER_CHAIN: 'rooted' is no chain",
      "write root, or a name that begins with mac, vlan, stp, arp, rarp, ipv4 or ipv6",
    ],
    [
      "<filter name='f' chain='ip'/>",
      "1:18 BAD_FILTER_CHAIN: 'ip' is no chain",
      "write root, or a name that begins with mac, vlan, stp, arp, rarp, ipv4 or ipv6",
    ],
    [
      "<filter name='f' chain='ipv4 x'/>",
      "1:18 BAD_FILTER_CHAIN: 'ipv4 x' is no chain",
      "up to 12 letters, digits, _, ., : and -",
    ],
    [
      "<filter name='f' chain='ipv4-too-long'/>",
      "1:18 BAD_FILTER_CHAIN: 'ipv4-too-long' is no chain",
      "up to 12 letters, digits, _, ., : and -",
    ],
    [
      "<filter name='f' chain='ipv4' priority='1001'/>",
      "1:31 BAD_FILTER_CHAIN: priority '1001' is not in -1000 to 1000",
      "write a number from -1000 to 1000",
    ],
    [
      "<filter name='f' chain='ipv4' priority='high'/>",
      "1:31 BAD_FILTER_CHAIN: priority 'high' is not in -1000 to 1000",
      "write a number from -1000 to 1000",
    ],
    [
      rule("<tcp dstportstart='65536'/>"),
      "1:59 BAD_FILTER_VALUE: '65536' is no value of 'dstportstart'",
      "it takes a number from 0 to 65535",
    ],
    [
      rule("<mac protocolid='1'/>"),
      "1:59 BAD_FILTER_VALUE: '1' is no value of 'protocolid'",
      "it takes a number from 1536 to 65535, arp, rarp, ipv4, ipv6, vlan",
    ],
    [
      rule("<mac protocolid='appletalk'/>"),
      "1:59 BAD_FILTER_VALUE: 'appletalk' is no value of 'protocolid'",
      "it takes a number from 1536 to 65535, arp, rarp, ipv4, ipv6, vlan",
    ],
    [
      rule("<vlan vlanid='4096'/>"),
      "1:60 BAD_FILTER_VALUE: '4096' is no value of 'vlanid'",
      "it takes a number from 0 to 4095",
    ],
    [
      rule("<ip dscp='64'/>"),
      "1:58 BAD_FILTER_VALUE: '64' is no value of 'dscp'",
      "it takes a number from 0 to 63",
    ],
    [
      rule("<mac srcmacaddr='2:0:0:0:0:1' srcmacmask='ff:0:ff:0:0:0'/>"),
      "1:84 BAD_FILTER_VALUE: 'ff:0:ff:0:0:0' is no value of 'srcmacmask'",
      "it takes a MAC mask of leading ones, as ff:ff:ff:00:00:00",
    ],
    [
      rule("<ip srcipaddr='192.0.2.'/>"),
      "1:58 BAD_FILTER_VALUE: '192.0.2.' is no value of 'srcipaddr'",
      "it takes an IPv4 address",
    ],
    [
      rule("<ip srcipaddr='192.0.2.1' srcipmask='255.0.255.0'/>"),
      "1:80 BAD_FILTER_VALUE: '255.0.255.0' is no value of 'srcipmask'",
      "it takes a length from 0 to 32 or a netmask",
    ],
    [
      rule("<ip srcipaddr='192.0.2.1' srcipmask='33'/>"),
      "1:80 BAD_FILTER_VALUE: '33' is no value of 'srcipmask'",
      "it takes a length from 0 to 32 or a netmask",
    ],
    [
      rule("<tcp flags='SYN'/>"),
      "1:59 BAD_FILTER_VALUE: 'SYN' is no value of 'flags'",
      "it takes MASK/FLAGS, each of SYN, ACK, URG, PSH, FIN and RST with commas between, or ALL or NONE",
    ],
    [
      rule("<all ipset='a/b' ipsetflags='src'/>"),
      "1:59 BAD_FILTER_VALUE: 'a/b' is no value of 'ipset'",
      "it takes the name of a set, of up to 31 characters",
    ],
    [
      rule("<all ipset='a' ipsetflags='both'/>"),
      "1:69 BAD_FILTER_VALUE: 'both' is no value of 'ipsetflags'",
      "it takes src or dst, up to six of them with commas between",
    ],
    [
      rule("<tcp state='OLD'/>"),
      "1:59 BAD_FILTER_VALUE: 'OLD' is no value of 'state'",
      "it takes NEW, ESTABLISHED, RELATED and INVALID with commas between, or NONE",
    ],
    [
      rule("<ip srcipaddr='$'/>"),
      "1:58 BAD_FILTER_VARIABLE: '$' is no variable",
      "write $NAME, $NAME[@ITERATOR] or $NAME[ELEMENT]",
    ],
    [
      rule("<ip srcipaddr='$A-B'/>"),
      "1:58 BAD_FILTER_VARIABLE: '$A-B' is no variable",
      "write $NAME, $NAME[@ITERATOR] or $NAME[ELEMENT]",
    ],
    [
      rule("<ip srcipaddr='$A[@1001]'/>"),
      "1:58 BAD_FILTER_VARIABLE: '$A[@1001]' has an iterator above 1000",
      "count iterators from 0",
    ],
    [
      rule("<ip srcipaddr='$A[x]'/>"),
      "1:58 BAD_FILTER_VARIABLE: '$A[x]' is no variable",
      "write $NAME, $NAME[@ITERATOR] or $NAME[ELEMENT]",
    ],
    [
      rule("<ip dstportstart='80'/>"),
      "1:58 BAD_FILTER_RULE: dstportstart of <ip> needs protocol='tcp', 'udp', 'sctp', '33'",
      "name the protocol in the same element",
    ],
    [
      rule("<ip protocol='icmp' dstportstart='80'/>"),
      "1:74 BAD_FILTER_RULE: dstportstart of <ip> needs protocol='tcp', 'udp', 'sctp', '33'",
      "name the protocol in the same element",
    ],
    [
      rule("<ip match='no' protocol='tcp' dstportstart='80'/>"),
      "1:84 BAD_FILTER_RULE: dstportstart of <ip> needs protocol='tcp', 'udp', 'sctp', '33'",
      "name the protocol in the same element",
    ],
    [
      rule("<ip protocol='$P' dstportstart='80'/>"),
      "1:72 BAD_FILTER_RULE: dstportstart of <ip> needs protocol='tcp', 'udp', 'sctp', '33'",
      "name the protocol in the same element",
    ],
    [
      rule("<ipv6 protocol='tcp' type='1'/>"),
      "1:75 BAD_FILTER_RULE: type of <ipv6> needs protocol='icmpv6'",
      "name the protocol in the same element",
    ],
    [
      rule("<ipv6 code='1'/>"),
      "1:60 BAD_FILTER_RULE: code of <ipv6> needs protocol='icmpv6'",
      "name the protocol in the same element",
    ],
    [
      filter("<rule action='drop' direction='inout'><stp srcmacaddr='$MAC'/></rule>"),
      "1:61 BAD_FILTER_RULE: srcmacaddr of <stp> stands in a rule of both directions",
      "write a rule for each direction",
    ],
    ["<filter", "1:8 BAD_FILTER_XML: Unclosed start tag for element `filter`", ""],
    ["<domain/>", "1:1 BAD_FILTER_XML: the root element is not <filter>", ""],
    ["<!DOCTYPE x><filter name='f'/>", "1:1 BAD_FILTER_XML: a document type is refused", ""],
  ])("%s", (text, said, hint) => {
    const expected = [{ text: said.replace(" ", " error "), hint }];
    expect(problemsOf(text, false)).toEqual(expected);
    expect(problemsOf(text, true)).toEqual(expected);
  });
});

test("mistakes are all told at once", () => {
  const text = filter("<rule action='drop'/>\n<rule action='x' direction='in'/><rules/>");
  const places = problemsOf(text, false).map((problem) => problem.text.split(" ")[0]);
  expect(places).toEqual(["1:18", "2:7", "2:34"]);
});

test.each([
  ["attributes", `<tcp ${Array.from({ length: 100_000 }, (_, i) => `a${i}=''`).join(" ")}/>`],
  ["elements", "<x/>".repeat(30_000)],
  ["protocols", "<tcp srcipaddr='192.0.2.1'/>".repeat(10_000)],
])("a rule of very many %s is a problem before the test's time is over", (_, inside) => {
  expect(problemsOf(rule(inside), true)).toHaveLength(101);
});
