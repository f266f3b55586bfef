import { describe, expect, test } from "vitest";
import { parseGuestXml } from "./guest-xml.ts";
import { guestNamespace } from "./guest-metadata.ts";
import { parsePolicy } from "./policy.ts";
import type { GuestPolicy } from "../model/policy.ts";

const domain = (metadata: string) =>
  `<domain>\n<name>web1</name>\n<metadata>\n${metadata}\n</metadata>\n<devices/></domain>`;
const element = (body: string) =>
  `<virtwall:guest xmlns:virtwall="${guestNamespace}">${body.replaceAll(/<(\/?)(?=\w)/g, "<$1virtwall:")}</virtwall:guest>`;
const parse = (metadata: string) => {
  const { guest, problems } = parseGuestXml({ file: "web1.xml", text: domain(metadata) });
  return { own: guest?.own, problems };
};
const codes = (metadata: string) => parse(metadata).problems.map(({ code }) => code);

const whole = `
  <groups>web</groups>
  <groups>db</groups>
  <publish>
    <address>203.0.113.10</address>
    <ports>tcp/80</ports>
    <ports>tcp/2222:22</ports>
    <from>admin</from>
  </publish>
  <publish><ports>udp/5000-5010</ports></publish>
  <nics mac="52:54:00:12:34:56"><address>192.168.122.10</address></nics>
  <required>true</required>
`;
const yaml = `guests:
  web1:
    groups: [web, db]
    publish:
      - { address: 203.0.113.10, ports: [tcp/80, "tcp/2222:22"], from: admin }
      - { ports: udp/5000-5010 }
    nics: { "52:54:00:12:34:56": { address: 192.168.122.10 } }
    required: true
`;

/** Without places, and without who wrote it. */
function meaning(guest: GuestPolicy | undefined): unknown {
  return JSON.parse(
    JSON.stringify(guest, (key: string, value: unknown) => {
      if (key === "at" || key === "keysAt" || key === "inGuest") return undefined;
      return value instanceof Map ? [...value] : value;
    }),
  );
}

describe("the metadata of a guest", () => {
  test("says what the same keys say under `guests` of a policy file", () => {
    const { own, problems } = parse(element(whole));
    expect(problems).toEqual([]);
    const { policy } = parsePolicy([{ file: "policy.yaml", text: yaml }]);
    expect(meaning(own)).toEqual(meaning(policy.guests.get("web1")));
    expect(own?.publish.every(({ inGuest }) => inGuest)).toBe(true);
  });

  test("is read under any prefix, and under none", () => {
    const { own } = parse(element(whole));
    for (const text of [
      element(whole).replaceAll("virtwall:", "vw:").replace("xmlns:virtwall", "xmlns:vw"),
      `<guest xmlns="${guestNamespace}">${whole}</guest>`,
    ]) {
      expect(meaning(parse(text).own)).toEqual(meaning(own));
    }
  });

  test("of other programs is not looked at", () => {
    const foreign = `<guest xmlns="http://example.org/1"><publish>x</publish></guest><libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0"/>`;
    expect(parse(foreign)).toEqual({ own: undefined, problems: [] });
  });

  test("may be empty", () => {
    expect(parse(element("")).problems).toEqual([]);
    expect(parse(element("")).own).toMatchObject({ name: "web1", publish: [], groups: [] });
  });

  test("has its problems at their place in the guest's XML", () => {
    const { problems } = parse(element("\n<publish>\n  <ports>tcp/0</ports></publish>"));
    expect(problems).toMatchObject([
      { code: "BAD_VALUE", at: { file: "web1.xml", line: 6, column: 3 } },
    ]);
  });

  test.each([
    ["something of the whole host", "<host><mark>0x1</mark></host>", "UNKNOWN_KEY"],
    ["a group's rules", "<groups><web><ingress/></web></groups>", "BAD_TYPE"],
    ["an unknown element", "<publsih/>", "UNKNOWN_KEY"],
    ["an unknown attribute", `<publish port="80"><ports>tcp/80</ports></publish>`, "UNKNOWN_KEY"],
    ["a nic without a MAC", "<nics><address>10.0.0.1</address></nics>", "MISSING_KEY"],
    [
      "a nic twice",
      `<nics mac="52:54:00:00:00:01"/><nics mac="52:54:00:00:00:01"/>`,
      "DUPLICATE_KEY",
    ],
    ["text beside elements", "hello<groups>web</groups>", "BAD_METADATA"],
    ["text alone", "groups: [web]", "BAD_TYPE"],
    [
      "two addresses of one publication",
      "<publish><address>10.0.0.1</address><address>10.0.0.2</address><ports>tcp/1</ports></publish>",
      "BAD_TYPE",
    ],
    ["no boolean", "<required>yes</required>", "BAD_TYPE"],
    ["a key of JavaScript's", "<__proto__>x</__proto__>", "UNKNOWN_KEY"],
  ])("that holds %s is a problem", (_what, body, code) => {
    expect(codes(element(body))).toContain(code);
  });

  test("of a later version is a problem, and so is a second one", () => {
    expect(codes(element(whole).replace("/guest/1", "/guest/2"))).toEqual(["BAD_METADATA"]);
    expect(codes(element(whole) + element(""))).toEqual(["BAD_METADATA"]);
  });

  test("that is huge is a problem within a second", () => {
    const many = "<publish><ports>tcp/80</ports></publish>".repeat(50_000);
    expect(codes(element(many))).toEqual(["BAD_METADATA"]);
  });
});

test("a guest has an agent while live XML says that it is connected", () => {
  const withState = (state: string) =>
    parseGuestXml({
      file: "web1.xml",
      text: `<domain><name>web1</name><devices><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='${state}'/></channel></devices></domain>`,
    }).guest?.hasAgent;
  expect(withState("connected")).toBe(true);
  expect(withState("disconnected")).toBeUndefined();
});
