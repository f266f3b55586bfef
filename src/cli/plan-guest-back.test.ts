import { expect, test } from "vitest";
import { planGuestBack } from "./plan-guest-back.ts";

const mac = (last: number) => `52:54:00:00:00:0${last}`;
const xml = `<domain><devices>
  <interface type='bridge'><mac address='${mac(1)}'/></interface>
  <interface type='bridge'><mac address='${mac(2)}'/></interface>
</devices></domain>`;
const binding = (last: number) =>
  `  <nics mac="${mac(last)}">\n    <filter>clean-traffic</filter>\n  </nics>\n`;
const guest = (inside: string) => `<guest>\n${inside}</guest>`;
const element = "<filterref filter='clean-traffic'/>";
const saved = {
  guest: "web1",
  uuid: "11111111-2222-3333-4444-555555555555",
  nics: [1, 2].map((last) => ({ mac: mac(last), filterRef: { config: element } })),
  metadata: { config: { before: guest(binding(1)), after: guest(binding(1) + binding(2)) } },
};
const back = (side: "live" | "config", metadata: string, from = saved) =>
  planGuestBack(from as typeof saved, { side, xml, metadata });

test("nics get their filters back, and the metadata its bytes", () => {
  const { nics, metadata } = back("config", saved.metadata.config.after);
  expect(nics).toHaveLength(2);
  expect(nics.every(({ after }) => after.includes(element))).toBe(true);
  expect(metadata.map(({ after }) => after)).toEqual([guest(binding(1))]);
});

test("a binding that was there before stays, whatever was written since", () => {
  const edited = guest(`${binding(1)}${binding(2)}  <required>true</required>\n`);
  const [change] = back("config", edited).metadata;
  expect(change?.after).toContain(mac(1));
  expect(change?.after).not.toContain(mac(2));
  expect(change?.after).toContain("<required>true</required>");
});

test("metadata that adoption found as it was to be is left alone", () => {
  const untouched = { ...saved, metadata: {} };
  expect(back("config", guest(binding(1) + binding(2)), untouched as never).metadata).toEqual([]);
});

test("what was started since loses what it was started with", () => {
  expect(back("live", saved.metadata.config.after).metadata).toMatchObject([
    { side: "live", after: guest(binding(1)) },
  ]);
});
