import { expect, test } from "vitest";
import { backendOf, withBackend } from "./edit-backend.ts";

const shipped = '# firewall_backend:\n#\n#firewall_backend = "iptables"\n';

test("a file that says nothing gets one line more, and keeps its comments", () => {
  expect(backendOf(shipped)).toBeUndefined();
  expect(withBackend(shipped, "nftables")).toBe(`${shipped}firewall_backend = "nftables"\n`);
  expect(withBackend("# no end of line", "nftables")).toBe(
    '# no end of line\nfirewall_backend = "nftables"\n',
  );
});

test("a line that sets it gets another value, and nothing else changes", () => {
  const text = `${shipped}  firewall_backend='iptables' # by hand\nother = 1\n`;
  expect(backendOf(text)).toBe("iptables");
  expect(withBackend(text, "nftables")).toBe(
    `${shipped}  firewall_backend="nftables" # by hand\nother = 1\n`,
  );
});

test("set twice, it is set to the same twice", () => {
  const text = 'firewall_backend = "iptables"\nfirewall_backend = "nftables"\n';
  expect(backendOf(text)).toBe("nftables");
  expect(backendOf(withBackend(text, "iptables"))).toBe("iptables");
});
