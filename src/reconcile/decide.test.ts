import { describe, expect, test } from "vitest";
import type { Guest, Inventory } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import { parseInventory } from "../parse/inventory.ts";
import { parsePolicy } from "../parse/policy.ts";
import { decide, problemsOf, type Written } from "./decide.ts";

const guestXml = (name: string, mac: string) =>
  `<domain><name>${name}</name><uuid>0d0c7c3e-0000-4000-8000-0000000000${mac}</uuid><devices>` +
  `<interface type='bridge'><mac address='52:54:00:00:00:${mac}'/><source bridge='br0'/>` +
  `<target dev='vnet${mac}'/></interface></devices></domain>`;

function written(
  policyText: string,
  guests: Readonly<Record<string, string>>,
  filters: readonly string[] = [],
): Written {
  const { policy, problems: policyProblems } = parsePolicy([
    { file: "policy.yaml", text: policyText },
  ]);
  const texts = Object.entries(guests).map(([file, text]) => ({ file, text }));
  const ownFilters = filters.map((text, i) => ({ file: `nwfilter/${i}.xml`, text }));
  const { inventory, problems } = parseInventory(
    { networks: [], guests: texts, leases: [], filters: [], ownFilters },
    [],
  );
  return {
    policy,
    policyProblems,
    inventory,
    inventoryProblems: problems,
    inventoryFiles: new Set(Object.keys(guests)),
  };
}

const names = (inventory: Inventory | undefined) =>
  inventory?.guests.map((guest: Guest) => guest.name).toSorted();
const codes = (problems: readonly Problem[]) => problems.map((problem) => problem.code);

const web = { "web.xml": guestXml("web", "01"), "db.xml": guestXml("db", "02") };

test.each([
  ["nothing", "guests: {}", web],
  ["the policy", "gests: {}", web],
  ["a name that leads nowhere", "guests: { web: { groups: [nosuch] } }", web],
  ["a guest", "guests: {}", { ...web, "twin.xml": guestXml("twin", "01") }],
])("what is wrong is told as by a decision, with mistakes in %s", (name, policy, guests) => {
  const problems = problemsOf(written(policy, guests));
  expect(problems).toEqual(decide(written(policy, guests), undefined).problems);
  expect(problems.length > 0).toBe(name !== "nothing");
});

describe("the policy", () => {
  test("without errors is in force", () => {
    const decision = decide(written("guests: {}", web), undefined);
    expect(decision).toMatchObject({ inForce: "current", problems: [], keptGuests: [] });
    expect(names(decision.desired?.inventory)).toEqual(["db", "web"]);
  });

  test("with a mistake leaves nothing in force where none was before", () => {
    const decision = decide(written("gests: {}", web), undefined);
    expect(decision.inForce).toBe("none");
    expect(decision.desired).toBeUndefined();
    expect(codes(decision.problems)).toContain("UNKNOWN_KEY");
  });

  test("with a mistake leaves the last good one in force, with the guests of now", () => {
    const before = decide(written("host: { mark: 0x20000000 }", {}), undefined).desired;
    const decision = decide(written("gests: {}", web), before);
    expect(decision.inForce).toBe("last-good");
    expect(decision.desired?.policy.host.mark).toBe(0x20000000);
    expect(names(decision.desired?.inventory)).toEqual(["db", "web"]);
  });

  test("with a name that leads nowhere is no better than one with a mistake", () => {
    const before = decide(written("{}", web), undefined).desired;
    const decision = decide(written("guests: { web: { groups: [nosuch] } }", web), before);
    expect(decision.inForce).toBe("last-good");
    expect(codes(decision.problems)).toContain("UNKNOWN_GROUP");
  });
});

describe("a guest", () => {
  const broken = { ...web, "web.xml": "<domain>" };

  test("that cannot be understood keeps what was known of it, and the others are followed", () => {
    const before = decide(written("{}", web), undefined).desired;
    const more = { ...broken, "new.xml": guestXml("new", "03") };
    const decision = decide(written("{}", more), before);
    expect(decision).toMatchObject({ inForce: "current", keptGuests: ["web"] });
    expect(names(decision.desired?.inventory)).toEqual(["db", "new", "web"]);
  });

  test("that was never understood has no rules", () => {
    const decision = decide(written("{}", broken), undefined);
    expect(decision).toMatchObject({ inForce: "current", keptGuests: [] });
    expect(names(decision.desired?.inventory)).toEqual(["db"]);
    expect(decision.problems.map((problem) => problem.at.file)).toContain("web.xml");
  });

  test("that is kept yields its tap and its MAC address to no other", () => {
    const before = decide(written("{}", web), undefined).desired;
    // Another nic is plugged into a guest that stands before it.
    const nic = (mac: string, tap: string) =>
      `<interface type='bridge'><mac address='52:54:00:00:00:${mac}'/><source bridge='br0'/><target dev='${tap}'/></interface>`;
    const plugged = `${nic("02", "vnet05")}${nic("06", "vnet02")}${nic("07", "vnet07")}</devices>`;
    const rival = web["web.xml"].replace("</devices>", plugged);
    const decision = decide(written("{}", { ...web, "web.xml": rival }), before);
    expect(decision.keptGuests).toEqual(["db"]);
    const taps = decision.desired?.inventory.guests.map(({ name, nics }) => [
      name,
      nics.map(({ tap }) => tap),
    ]);
    expect(taps).toEqual([
      ["web", ["vnet01", "vnet07"]],
      ["db", ["vnet02"]],
    ]);
  });

  test("that is gone is not kept", () => {
    const before = decide(written("{}", web), undefined).desired;
    const decision = decide(written("{}", { "db.xml": web["db.xml"] }), before);
    expect(names(decision.desired?.inventory)).toEqual(["db"]);
  });
});

describe("a guest whose own XML speaks of it", () => {
  const own = (name: string, mac: string, body: string) =>
    guestXml(name, mac).replace(
      "<devices>",
      `<metadata><guest xmlns="https://virtwall.dev/guest/1">${body}</guest></metadata><devices>`,
    );
  const port = (number: number) => `<publish><ports>tcp/${number}</ports></publish>`;
  const published = (decision: ReturnType<typeof decide>) =>
    decision.desired?.compiled.publications.map(
      ({ guest, public: { first } }) => `${guest} ${first}`,
    );

  test("and makes a mistake keeps its last good one, and all others are followed", () => {
    const good = { "web.xml": own("web", "01", port(80)), "db.xml": own("db", "02", port(81)) };
    const before = decide(written("", good), undefined);
    expect(published(before)).toEqual(["web 80", "db 81"]);
    const bad = { "web.xml": own("web", "01", port(0)), "db.xml": own("db", "02", port(82)) };
    const decision = decide(written("", bad), before.desired);
    expect(decision).toMatchObject({ inForce: "current", keptGuests: ["web"] });
    expect(codes(decision.problems)).toContain("BAD_VALUE");
    expect(published(decision)?.toSorted()).toEqual(["db 82", "web 80"]);
  });

  test("cannot take a port that another guest has", () => {
    const web = { "web.xml": own("web", "01", port(80)) };
    const before = decide(written("", web), undefined);
    const both = { ...web, "db.xml": own("db", "02", port(80)) };
    const decision = decide(written("", both), before.desired);
    expect(published(decision)).toEqual(["web 80"]);
    const errors = decision.problems.filter(({ severity }) => severity === "error");
    expect(codes(errors)).toEqual(["PUBLISHED_TWICE", "PUBLISHED_TWICE"]);
  });

  test("and whose publication a policy file takes keeps its nics and loses the publication", () => {
    const web = { "web.xml": own("web", "01", port(80)) };
    const before = decide(written("", web), undefined);
    const policy = "guests: { web: { publish: [{ ports: tcp/90 }] } }";
    const decision = decide(written(policy, web), before.desired);
    expect(decision.inForce).toBe("current");
    expect(codes(decision.problems)).toContain("DUPLICATE_KEY");
    expect(names(decision.desired?.inventory)).toEqual(["web"]);
    expect(published(decision)).toEqual(["web 90"]);
  });

  test("and names a group that there is not passes nothing", () => {
    const web = { "web.xml": own("web", "01", "<groups>nobody</groups>") };
    const decision = decide(written("", web), undefined);
    expect(decision.inForce).toBe("current");
    expect(names(decision.desired?.inventory)).toEqual([]);
  });
});

test("a lease file that is cut in half keeps the leases that it held, and no other bridge's", () => {
  const lease = (mac: string, address: string) =>
    `[{"ip-address":"${address}","mac-address":"52:54:00:00:00:${mac}","expiry-time":9999999999}]`;
  const withLeases = (first: string, second: string): Written => {
    const leases = [
      { file: "leases/virbr0.status", text: first },
      { file: "leases/virbr1.status", text: second },
    ];
    const parsed = parseInventory({ networks: [], guests: [], leases }, []);
    const { inventory, problems: inventoryProblems } = parsed;
    return { ...written("{}", {}), inventory, inventoryProblems };
  };
  const whole = lease("01", "192.0.2.1");
  const before = decide(withLeases(whole, lease("02", "192.0.2.2")), undefined).desired;
  const decision = decide(withLeases(whole.slice(0, 20), "[]"), before);
  expect(decision.desired?.inventory.leases.map(({ address }) => address)).toEqual(["192.0.2.1"]);
  expect(codes(decision.problems)).toEqual(["BAD_LEASE_FILE"]);
});

describe("filters", () => {
  const accept = "<filter name='a'><rule action='accept' direction='in'/></filter>";
  const drop = "<filter name='a'><rule action='drop' direction='in'/></filter>";
  const broken = "<filter name='a'><rule action='dorp' direction='in'/></filter>";
  const actions = ({ desired }: ReturnType<typeof decide>) =>
    desired?.inventory.filters?.get("a")?.entries.map((entry) => "action" in entry && entry.action);
  const before = decide(written("{}", web, [accept]), undefined).desired;

  test("of now are in force where they have no errors", () => {
    const decision = decide(written("{}", web, [drop]), before);
    expect(decision).toMatchObject({ inForce: "current", keepsFilters: false, problems: [] });
    expect(actions(decision)).toEqual(["drop"]);
  });

  test("with a mistake stay what they were, and the policy changes all the same", () => {
    const decision = decide(written("host: { mark: 0x20000000 }", {}, [broken]), before);
    expect(decision).toMatchObject({ inForce: "current", keepsFilters: true });
    expect(decision.problems).toMatchObject([{ at: { file: "nwfilter/0.xml" } }]);
    expect(actions(decision)).toEqual(["accept"]);
    expect(decision.desired?.policy.host.mark).toBe(0x20000000);
  });

  test("with a mistake are missing where nobody knows what they were: who needs one is closed, and no other", () => {
    const policy = "guests: { web: { filter: a }, db: { filter: allow-arp } }";
    const now = written(policy, web, [broken]);
    const first = decide(now, undefined);
    expect(first).toMatchObject({ inForce: "current", keepsFilters: false, lacksFilters: true });
    expect(codes(first.problems)).toContain("UNKNOWN_FILTER");
    const states = ({ desired }: typeof first) =>
      desired?.compiled.guests.flatMap(({ nics }) => nics.map((nic) => nic.filter?.state));
    expect(states(first)?.toSorted()).toEqual(["closed", "enforced"]);
    // The next event changes nothing about that, and a change of something else is taken.
    const more = written(`host: { mark: 0x20000000 }\n${policy}`, web, [broken]);
    const second = decide(more, first.desired);
    expect(second.inForce).toBe("current");
    expect(states(second)).toEqual(states(first));
    // A nic that is open is not closed by a change.
    const worse = decide(
      written("guests: { db: { filter: nope } }", web, [broken]),
      second.desired,
    );
    expect(worse.inForce).toBe("last-good");
    const mended = decide(written(policy, web, [drop]), second.desired);
    expect(mended).toMatchObject({ inForce: "current", keepsFilters: false, problems: [] });
  });

  const reasons = ({ desired }: ReturnType<typeof decide>) =>
    desired?.compiled.guests.flatMap(({ name, nics }) =>
      nics.map(({ filter }) => `${name} ${filter?.state}: ${filter?.reason}`),
    );

  test("with a mistake under the name of one in stock leave no other in its place", () => {
    const stock = broken.replace("'a'", "'clean-traffic'");
    const policy = "guests: { web: { filter: clean-traffic } }";
    const first = decide(written(policy, web, [stock]), undefined);
    expect(reasons(first)).toContain("web closed: its definition is not in force");
    expect(reasons(decide(written(policy, web, [stock]), first.desired))).toEqual(reasons(first));
    const known = decide(written(policy, web), undefined).desired;
    expect(reasons(decide(written(policy, web, [stock]), known))).toContain(
      "web enforced: undefined",
    );
  });

  test("that others hold up are not said to be missing", () => {
    const more = "<filter name='b'><rule action='drop' direction='in'/></filter>";
    const policy = "guests: { web: { filter: a }, db: { filter: b } }";
    const last = decide(written("guests: { web: { filter: a } }", web, [accept]), undefined);
    const decision = decide(written(policy, web, [broken, more]), last.desired);
    const unknown = decision.problems.find(({ code }) => code === "UNKNOWN_FILTER");
    expect(unknown?.message).toContain("the definition of filter 'b' is not in force");
  });

  test("of a nic that no bridge carries are an error, and keep nobody's from being in force", () => {
    const direct = guestXml("db", "02").replace("type='bridge'", "type='direct'");
    const policy = "guests: { db: { filter: a }, web: { filter: a } }";
    const last = decide(written(policy, { "web.xml": web["web.xml"] }, [accept]), undefined);
    const guests = { ...web, "db.xml": direct };
    for (const before of [undefined, last.desired]) {
      const decision = decide(written(policy, guests, [accept]), before);
      expect(decision.inForce).toBe("current");
      expect(codes(decision.problems)).toEqual(["FILTER_OFF_BRIDGE"]);
      expect(reasons(decision)?.toSorted()).toEqual([
        "db open: a nic of type 'direct' is on no bridge",
        "web enforced: undefined",
      ]);
    }
  });

  test("that cannot be enforced close their nic alone at the first start", () => {
    const sets =
      "<filter name='a'><rule action='drop' direction='in'><all ipset='x' ipsetflags='src,dst'/></rule></filter>";
    const first = decide(written("guests: { web: { filter: a } }", web, [sets]), undefined);
    expect(first.inForce).toBe("current");
    expect(codes(first.problems)).toEqual(["FILTER_NOT_ENFORCEABLE"]);
    expect(
      decide(written("guests: { web: { filter: a } }", web, [sets]), first.desired).inForce,
    ).toBe("current");
  });

  test("stay what they were while the policy does", () => {
    const decision = decide(written("gests: {}", web, [drop]), before);
    expect(decision).toMatchObject({ inForce: "last-good", keepsFilters: true });
    expect(actions(decision)).toEqual(["accept"]);
  });

  const needsMore =
    "<filter name='a'><rule action='drop' direction='out'><ip srcipaddr='$MORE'/></rule></filter>";
  const bound = "guests: { web: { filter: a } }";
  const own = `<metadata><v:guest xmlns:v="https://virtwall.dev/guest/1"><v:filter>a</v:filter></v:guest></metadata>`;
  const webBound = { "web.xml": guestXml("web", "01").replace("<devices>", `${own}<devices>`) };

  test.each([
    ["policy", bound, web],
    ["guest's own XML", "{}", webBound],
  ])("that a nic cannot be bound to stay what they were: by the %s", (_by, policy, guests) => {
    const last = decide(written(policy, guests, [accept]), undefined).desired;
    const decision = decide(written(policy, guests, [needsMore]), last);
    expect(decision).toMatchObject({ inForce: "current", keepsFilters: true, keptGuests: [] });
    expect(codes(decision.problems)).toEqual(["MISSING_VARIABLE"]);
    expect(actions(decision)).toEqual(["accept"]);
    expect(names(decision.desired?.inventory)).toContain("web");
  });

  test("that are gone while a nic is bound to one stay too", () => {
    const last = decide(written(bound, web, [accept]), undefined).desired;
    const decision = decide(written(bound, web), last);
    expect(decision).toMatchObject({ inForce: "current", keepsFilters: true });
    expect(codes(decision.problems)).toEqual(["UNKNOWN_FILTER"]);
  });

  test("change with the policy that goes with them", () => {
    const last = decide(written(bound, web, [accept]), undefined).desired;
    const nics = `nics: { "52:54:00:00:00:01": { parameters: { MORE: 10.0.0.1 } } }`;
    const policy = `guests: { web: { filter: a, ${nics} } }`;
    const decision = decide(written(policy, web, [needsMore]), last);
    expect(decision).toMatchObject({ inForce: "current", keepsFilters: false, problems: [] });
  });

  test("of a libvirt that keeps a broken one are in force without it", () => {
    const now = written("{}", web, [broken]);
    const decision = decide({ ...now, inventoryFiles: new Set(["nwfilter/0.xml"]) }, undefined);
    expect(decision.inForce).toBe("current");
  });
});
