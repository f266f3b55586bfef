import { parse } from "yaml";
import { describe, expect, test } from "vitest";
import { addToMetadata, removeFromMetadata } from "./edit-metadata.ts";
import { addPublication, namesGuest, removePublication } from "./edit-publications.ts";

const policy = `# the web servers
guests:
  web1: # nginx
    publish:
      - { address: 203.0.113.10, ports: [tcp/80, tcp/443] } # both
      - { ports: [udp/53] }
    groups: [web]   # keep
networks: {}
`;
const web80 = { guest: "web1", ports: ["tcp/8080:80"], from: [] };

describe("adding", () => {
  test("one line is added after the last publication, and no other byte changes", () => {
    expect(addPublication(policy, web80)).toBe(
      policy.replace(
        "      - { ports: [udp/53] }\n",
        '      - { ports: [udp/53] }\n      - { ports: ["tcp/8080:80"] }\n',
      ),
    );
  });

  test("the last line may lack its line break", () => {
    const text = "guests:\n  web1:\n    publish:\n      - { ports: [tcp/80] }";
    expect(parse(addPublication(text, web80))).toEqual({
      guests: { web1: { publish: [{ ports: ["tcp/80"] }, { ports: ["tcp/8080:80"] }] } },
    });
  });

  test("address and sources are written where they are given", () => {
    const text = addPublication(policy, {
      ...web80,
      address: "2001:db8::1",
      from: ["admin", "group:web"],
    });
    expect(parse(text).guests.web1.publish[2]).toEqual({
      address: "2001:db8::1",
      ports: ["tcp/8080:80"],
      from: ["admin", "group:web"],
    });
  });

  test.each([
    ["an empty file", ""],
    ["a file of comments", "# nothing yet\n"],
    ["guests without a value", "guests:\n"],
    ["a guest without a value", "guests:\n  web1:\n"],
    ["an empty list", "guests:\n  web1:\n    publish: []\n"],
    ["a guest in braces", "guests: { web1: {} }\n"],
  ])("%s takes its first publication", (_name, text) => {
    const added = addPublication(text, web80);
    expect(parse(added)).toEqual({ guests: { web1: { publish: [{ ports: ["tcp/8080:80"] }] } } });
    expect(added.startsWith("#")).toBe(text.startsWith("#"));
  });
});

describe("removing", () => {
  test("a whole publication takes its line along, and no other byte changes", () => {
    const edit = { ...web80, ports: ["udp/53"] };
    expect(removePublication(policy, edit)).toBe(
      policy.replace("      - { ports: [udp/53] }\n", ""),
    );
  });

  test("one port of several leaves the others and the comments", () => {
    const text = removePublication(policy, { ...web80, ports: ["tcp/80"] });
    expect(parse(text ?? "").guests.web1.publish[0].ports).toEqual(["tcp/443"]);
    expect(text).toContain("# both");
    expect(text).toContain("# the web servers");
  });

  test("an address narrows it", () => {
    const edit = { ...web80, ports: ["tcp/80"], address: "203.0.113.11" };
    expect(removePublication(policy, edit)).toBeUndefined();
  });

  test("the last publication takes the empty list along", () => {
    const text = "guests:\n  web1:\n    publish:\n      - { ports: tcp/80 }\n    groups: [web]\n";
    const removed = removePublication(text, { ...web80, ports: ["tcp/80"] });
    expect(parse(removed ?? "")).toEqual({ guests: { web1: { groups: ["web"] } } });
  });

  test("the public port is enough to say which", () => {
    const added = addPublication(policy, web80);
    expect(removePublication(added, { ...web80, ports: ["tcp/8080"] })).toBe(policy);
    expect(removePublication(added, { ...web80, ports: ["tcp/8080:81"] })).toBeUndefined();
    const inGuest = addToMetadata(undefined, web80);
    expect(removeFromMetadata(inGuest, { ...web80, ports: ["tcp/8080"] })).toBe("");
  });

  test("what is not published is not removed", () => {
    expect(removePublication(policy, { ...web80, ports: ["tcp/81"] })).toBeUndefined();
    expect(removePublication(policy, { ...web80, guest: "web2" })).toBeUndefined();
    expect(removePublication("", web80)).toBeUndefined();
  });
});

test("a guest is named where guests has its key", () => {
  expect(namesGuest(policy, "web1")).toBe(true);
  expect(namesGuest(policy, "web2")).toBe(false);
  expect(namesGuest("", "web1")).toBe(false);
});
