import { expect, test } from "vitest";
import { withAdvice } from "./libvirt-advice.ts";

/** What virsh of libvirt 9.0 says when libvirtd is stopped by SIGSTOP. */
const keepalive = "internal error: connection closed due to keepalive timeout";
const noRight = "Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied";

test.each([
  [keepalive, "qemu:///system", /; if it stays so: systemctl restart libvirtd/],
  [keepalive, "network:///system", /; if it stays so: systemctl restart virtnetworkd/],
  [keepalive, "qemu+ssh://host/system", /timeout$/],
  [noRight, "qemu:///system", /: it answers root, and its own group libvirt$/],
  ["Domain not found", "qemu:///system", /^Domain not found$/],
])("of %s by %s the fix is told, where it is one of this host", (words, uri, expected) => {
  expect(withAdvice(words, uri)).toMatch(expected);
});
