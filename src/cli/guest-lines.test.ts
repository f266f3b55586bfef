import { expect, test } from "vitest";
import { editOwnLines, tellsOfGuest } from "./guest-lines.ts";

const policy = `# all of it
host: { uplinks: [eth0] }
guests:
  web1: # nginx
    groups: [web]
  # the mail server
  mail:
    publish: [{ ports: [tcp/25] }]

groups:
  web: {}
`;
const ofMail = "guests:\n  mail:\n    publish: [{ ports: [tcp/25] }]\n";

test("an edit sees the guest's own lines, and no other byte changes", () => {
  const seen: string[] = [];
  const edited = editOwnLines(policy, "mail", (text) => {
    seen.push(text);
    return text.replace("tcp/25", "tcp/587");
  });
  expect(seen).toEqual([ofMail]);
  expect(edited).toEqual({ text: policy.replace("tcp/25", "tcp/587") });
});

test("comments above the next guest are the next guest's", () => {
  const edited = editOwnLines(policy, "web1", (text) => `${text}    filter: clean-traffic\n`);
  expect(edited?.text).toContain("[web]\n    filter: clean-traffic\n  # the mail server\n  mail:");
});

test("a guest of which nothing is said yet comes last", () => {
  const edited = editOwnLines(policy, "db1", (text) => `${text}  db1:\n    groups: [web]\n`);
  expect(edited?.text).toContain("[tcp/25] }]\n  db1:\n    groups: [web]\n\ngroups:");
});

test("where nothing matches nothing is changed", () => {
  expect(editOwnLines(policy, "web1", () => undefined)).toEqual({ text: undefined });
});

test.each([
  ["in braces", "guests: { web1: {} }\n"],
  ["with an anchor", "guests:\n  web1: &a {}\n  web2: *a\n"],
  ["twice", "guests:\n  web1: {}\n  web1: {}\n"],
  ["with what is no YAML by itself", "guests:\n  web1: { x: [\n    1 }\n  web2: {}\n"],
  ["indented otherwise than what is written", "guests:\n    web2: {}\n    web1: {}\n"],
])("the whole text has to be read where the guest stands %s", (_name, text) => {
  expect(editOwnLines(text, "web1", () => "guests:\n  web1: { groups: [a] }\n")).toBeUndefined();
});

test("an edit that reaches beyond the guest is not made in its lines", () => {
  expect(editOwnLines(policy, "mail", (text) => `${text}groups: {}\n`)).toBeUndefined();
  expect(editOwnLines(policy, "mail", (text) => `${text}  web1: {}\n`)).toBeUndefined();
});

test("of whom a text tells is seen in the names of its guests", () => {
  expect(tellsOfGuest(policy, "mail")).toBe(true);
  expect(tellsOfGuest(policy, "web")).toBe(false);
  expect(tellsOfGuest("guests: { web1: {} }\n", "web1")).toBeUndefined();
  expect(tellsOfGuest("host: {}\n", "web1")).toBeUndefined();
});
