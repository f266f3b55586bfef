import { describe, expect, test } from "vitest";
import { mergeFilters } from "./merge-filters.ts";
import { stockFilters } from "./stock-filters.ts";

function text(name: string, inside: string, file = `${name}.xml`) {
  return { file, text: `<filter name='${name}' chain='root'>${inside}</filter>` };
}

const dropAll = "<rule action='drop' direction='inout'/>";
const acceptAll = "<rule action='accept' direction='inout'/>";

function actionsIn(filters: ReturnType<typeof mergeFilters>["filters"], name: string) {
  return filters.get(name)?.entries.map((entry) => entry.kind === "rule" && entry.action);
}

describe("of filters with one name", () => {
  test("without any text there are those in stock", () => {
    expect(mergeFilters({})).toEqual({
      filters: stockFilters(),
      brokenFilters: new Map(),
      problems: [],
    });
  });

  test("one defined through virtwall wins over libvirt's and over that in stock", () => {
    const own = [text("a", dropAll), text("clean-traffic", dropAll)];
    const { filters, problems } = mergeFilters({
      ownFilters: own,
      filters: [text("a", acceptAll, "theirs.xml"), text("b", acceptAll)],
    });
    expect(problems).toEqual([]);
    expect(["a", "b", "clean-traffic"].map((name) => actionsIn(filters, name))).toEqual([
      ["drop"],
      ["accept"],
      ["drop"],
    ]);
  });

  test("libvirt's own no-ipv6-spoofing gives way to ours, and leaves it its UUID", () => {
    const uuid = "5c6d49af-b071-6127-b4ec-6f8ed4b55335";
    const libvirts = {
      file: "no-ipv6-spoofing.xml",
      text: `<!-- by libvirt --><filter name='no-ipv6-spoofing' chain='ipv6-ip' priority='-610'>
        <uuid>${uuid}</uuid>
        <rule action='return' direction='out' priority='100'><ipv6 srcipaddr='FE80::' srcipmask='10' protocol='udp'/></rule>
        <rule action='return' direction='out' priority='500'><ipv6 srcipaddr='$IPV6'/></rule>
        <rule action='drop' direction='out' priority='1000'/></filter>`,
    };
    const stock = stockFilters().get("no-ipv6-spoofing");
    const { filters } = mergeFilters({ filters: [libvirts] });
    expect(filters.get("no-ipv6-spoofing")).toEqual({ ...stock, uuid });

    const changed = { ...libvirts, text: libvirts.text.replace("FE80::", "FE80::1") };
    const own = mergeFilters({ filters: [changed] }).filters.get("no-ipv6-spoofing");
    expect(own?.at.file).toBe("no-ipv6-spoofing.xml");
  });

  test("so does its clean-traffic-gateway, which lets anything pass to the gateway's MAC address", () => {
    const references = (...names: string[]) => names.map((name) => `<filterref filter='${name}'/>`);
    const inside = [
      ...references("no-mac-spoofing", "no-ip-spoofing", "no-arp-spoofing"),
      "<rule action='accept' direction='inout' priority='-500'><mac protocolid='arp'/></rule>",
      "<rule action='accept' direction='in'><mac match='yes' srcmacaddr='$GATEWAY_MAC'/></rule>",
      "<rule action='accept' direction='out'><mac match='yes' dstmacaddr='$GATEWAY_MAC'/></rule>",
      ...references("no-other-l2-traffic", "qemu-announce-self"),
    ].join("");
    const { filters } = mergeFilters({ filters: [text("clean-traffic-gateway", inside)] });
    expect(filters.get("clean-traffic-gateway")).toBe(stockFilters().get("clean-traffic-gateway"));
  });

  test("the first of two in one folder stays, and the second is told of", () => {
    const two = [text("a", dropAll), text("a", acceptAll, "second.xml")];
    const message = "filter 'a' is left out: a.xml holds one of that name";
    const at = { file: "second.xml", line: 1, column: 1 };
    const problem = { code: "DUPLICATE_FILTER", at, message };
    const own = mergeFilters({ ownFilters: two });
    expect(own.problems).toEqual([{ ...problem, severity: "error" }]);
    expect(actionsIn(own.filters, "a")).toEqual(["drop"]);
    expect(mergeFilters({ filters: two }).problems).toEqual([{ ...problem, severity: "warning" }]);
  });
});

test("what libvirt misreads is an error in our own folder, and a warning in libvirt's", () => {
  const misread = [text("a", "<rule action='drop' direction='out' priority='2000'/>")];
  const severities = (problems: ReturnType<typeof mergeFilters>["problems"]) =>
    problems.map(({ code, severity }) => `${severity} ${code}`);
  const own = mergeFilters({ ownFilters: misread });
  expect(severities(own.problems)).toEqual(["error MISREAD_FILTER"]);
  expect(own.filters.has("a")).toBe(false);
  const theirs = mergeFilters({ filters: misread });
  expect(severities(theirs.problems)).toEqual(["warning MISREAD_FILTER"]);
  expect(theirs.filters.has("a")).toBe(true);
});

test("a text of libvirt's folder that is no filter holds up nothing", () => {
  const { problems } = mergeFilters({ filters: [{ file: "x.xml", text: "<filter" }] });
  expect(problems.map(({ code, severity }) => `${severity} ${code}`)).toEqual([
    "warning BAD_FILTER_XML",
  ]);
});

describe("a definition through virtwall that has errors", () => {
  const broken = (file: string, text: string) => {
    const { filters, brokenFilters } = mergeFilters({ ownFilters: [{ file, text }] });
    return { names: [...brokenFilters.keys()], isThere: filters.has("clean-traffic") };
  };

  test.each([
    ["web.xml", "<filter name='clean-traffic'><oops/></filter>"],
    ["web.xml", "<filter chain='root' name='clean-traffic'><rule"],
    ["clean-traffic.xml", ""],
    ["/etc/virtwall/nwfilter/clean-traffic.xml", "<filter><oops/></filter>"],
  ])("leaves no stock filter in its place: %s %s", (file, text) => {
    expect(broken(file, text)).toEqual({ names: ["clean-traffic"], isThere: false });
  });

  test("is as one that cannot be read", () => {
    const source = { file: "clean-traffic.xml", text: "", unread: "no such file" };
    const { filters, problems } = mergeFilters({ ownFilters: [source] });
    expect(filters.has("clean-traffic")).toBe(false);
    expect(problems.map(({ message }) => message)).toEqual([
      "the file cannot be read: no such file",
    ]);
  });
});

test("whether an own filter takes the place of one in stock is known by what it means", () => {
  const same = [...stockFilters().values()].find(({ name }) => name === "allow-arp");
  const rules = "<rule action='accept' direction='inout' priority='500'/>";
  const copy = `<filter name='allow-arp' chain='arp'><!-- a copy -->${rules}</filter>`;
  const { filters } = mergeFilters({
    ownFilters: [
      { file: "a.xml", text: copy },
      text("clean-traffic", ""),
      text("allow-arp-too", rules),
    ],
  });
  const origin = (name: string) => filters.get(name)?.origin;
  expect(same?.origin).toBeUndefined();
  expect(origin("allow-arp")).toBe("own");
  expect(origin("allow-arp-too")).toBe("own");
  expect(origin("clean-traffic")).toBe("in place of stock");
});
