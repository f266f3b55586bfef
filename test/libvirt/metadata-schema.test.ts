import { join } from "node:path";
import koffi from "koffi";
import { expect, test } from "vitest";

const file = join(import.meta.dirname, "../../schema/guest.rng");

/** The library that libvirt itself reads XML with. */
const libxml = koffi.load("libxml2.so.2");
const newParser = libxml.func("void *xmlRelaxNGNewParserCtxt(const char *url)");
const parse = libxml.func("void *xmlRelaxNGParse(void *parser)");
const newValidator = libxml.func("void *xmlRelaxNGNewValidCtxt(void *schema)");
const readMemory = libxml.func(
  "void *xmlReadMemory(const char *text, int size, const char *url, const char *encoding, int options)",
);
const validate = libxml.func("int xmlRelaxNGValidateDoc(void *validator, void *document)");
const schema: unknown = parse(newParser(file));

function isValid(body: string): boolean {
  const text = `<guest xmlns="https://virtwall.dev/guest/1">${body}</guest>`;
  const document: unknown = readMemory(text, Buffer.byteLength(text), null, null, 0x60);
  return validate(newValidator(schema), document) === 0;
}

test("schema/guest.rng is a schema that libxml2 takes", () => {
  expect(schema).not.toBeNull();
});

test.each([
  "",
  "<groups>web</groups><publish><ports>tcp/80</ports></publish><groups>db</groups>",
  "<publish><from>admin</from><ports>tcp/2222:22</ports><ports>udp/1-9</ports><address>2001:db8::1</address></publish>",
  `<nics mac="52:54:00:12:34:56"><address>10.0.0.1</address></nics><required>true</required>`,
  "<filter>clean-traffic</filter>",
  `<nics mac="52:54:00:12:34:56"><parameters><IP>10.0.0.1</IP><IP>10.0.0.2</IP></parameters><filter>my filter</filter></nics>`,
])("it takes %s", (body) => {
  expect(isValid(body)).toBe(true);
});

test.each([
  "<publish/>",
  "<publish><ports>80</ports></publish>",
  "<nics><address>10.0.0.1</address></nics>",
  "<required>yes</required>",
  "<host/>",
  "<filter/>",
  "<filter>../etc</filter>",
  `<nics mac="52:54:00:12:34:56"><parameters><IP>10.0.0.0/8, 1</IP></parameters></nics>`,
  `<groups name="web"/>`,
])("it refuses %s", (body) => {
  expect(isValid(body)).toBe(false);
});
