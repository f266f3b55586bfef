import { expect, test } from "vitest";
import { forwardElementOf, withForwardElement } from "./network-forward.ts";

const natXml = `<network>
  <name>default</name>
  <metadata><x:forward xmlns:x="urn:x" mode='nat'/></metadata>
  <forward mode='nat'>
    <nat ipv6='yes'>
      <port start='1024' end='65535'/>
    </nat>
  </forward>
  <bridge name='virbr0' stp='on' delay='0'/>
</network>
`;

test("only the forward element changes, and comes back byte for byte", () => {
  const element = forwardElementOf(natXml) ?? "";
  expect(element).toMatch(/^<forward mode='nat'>[^]*<\/forward>$/);
  const open = withForwardElement(natXml, "<forward mode='open'/>") ?? "";
  expect(open).toBe(natXml.replace(element, "<forward mode='open'/>"));
  expect(withForwardElement(open, element)).toBe(natXml);
});

test("an element without children, comments around it and text that is not ASCII are no matter", () => {
  const xml = "<network><name>nätz😀</name><!-- <forward/> --><forward mode='route'/></network>";
  expect(withForwardElement(xml, "<forward mode='open'/>")).toBe(
    "<network><name>nätz😀</name><!-- <forward/> --><forward mode='open'/></network>",
  );
});

test.each([
  ["no forward element", "<network><name>n</name></network>"],
  ["another root", "<domain><forward mode='nat'/></domain>"],
  ["no XML", "<network><forward mode='nat'/>"],
  ["lines that end otherwise", "<network>\r\n<forward mode='nat'/></network>"],
])("%s: nothing is changed", (_name, xml) => {
  expect(withForwardElement(xml, "<forward mode='open'/>")).toBeUndefined();
});
