import fc from "fast-check";
import { stringify } from "yaml";
import { describe, expect, it } from "vitest";
import { parsePolicy } from "./policy.ts";
import { printParsedTexts, readParsedTexts } from "./parsed-text.ts";
import { parseYaml } from "./policy-yaml.ts";

const texts = fc.oneof(
  fc.jsonValue().map((value) => JSON.stringify(value, undefined, 2)),
  fc.jsonValue().map((value) => stringify(value)),
  fc.constantFrom(
    "a: [1, 0x10, 010, ~, '', !!str 1]",
    "a: &x {b:, c: 1.0}\nd: *x\n",
    "- é\n-\n",
    "",
  ),
);

const parsedOf = (file: string, text: string) => {
  const { tree, problems } = parseYaml({ file, text });
  return tree === undefined || problems.length > 0 ? [] : [{ source: { file, text }, tree }];
};

describe("parsed texts", () => {
  it("are the same with all places after they were printed", () => {
    fc.assert(
      fc.property(fc.tuple(texts, texts), ([first, second]) => {
        const parsed = [...parsedOf("a.yaml", first), ...parsedOf("b.yaml", second)];
        const kept = parsed.filter(({ source }) => !source.text.includes("-0"));
        expect([...readParsedTexts(printParsedTexts(kept)).values()]).toEqual(kept);
      }),
    );
  });

  it.each([".nan", "-.inf", "-0"])(
    "leave out a file with %s, which JSON does not know",
    (value) => {
      const parsed = [...parsedOf("a.yaml", `a: [${value}]`), ...parsedOf("b.yaml", "b: 1")];
      expect([...readParsedTexts(printParsedTexts(parsed)).keys()]).toEqual(["b.yaml"]);
    },
  );

  const printed = printParsedTexts(parsedOf("a.yaml", "host: { mark: 0x10000000 }"));

  it.each([
    "",
    "{",
    "null",
    "[]",
    "{}",
    printed.slice(0, -1),
    printed.replace('"version":1', '"version":2'),
    printed.replace('"version":1', '"version":"1"'),
    '{"version":1}',
    '{"version":1,"texts":{}}',
    '{"version":1,"texts":[1]}',
    '{"version":1,"texts":[["a.yaml","",null]]}',
    '{"version":1,"texts":[["a.yaml","",{}]]}',
    '{"version":1,"texts":[["a.yaml","",[1,1,{},""]]]}',
    '{"version":1,"texts":[["a.yaml","",[1,1,5]]]}',
    '{"version":1,"texts":[["a.yaml","",["1",1,"x"]]]}',
    '{"version":1,"texts":[["a.yaml","",{"at":[1,1],"entries":[[1,1,1,[1,1,"x"]]]}]]}',
    `{"version":1,"texts":[["a.yaml","",${'{"at":[1,1],"items":['.repeat(20_000)}${"]}".repeat(20_000)}]]}`,
  ])("that were not printed here are none: %.60s", (text) => {
    expect(readParsedTexts(text).size).toBe(0);
  });

  it("stand for their own text alone", () => {
    const known = readParsedTexts(printed.replace("268435456", "536870912"));
    const policyIn = (file: string, text: string) => parsePolicy([{ file, text }], known).policy;
    expect(policyIn("a.yaml", "host: { mark: 0x10000000 }").host).toMatchObject({
      mark: 0x20000000,
    });
    for (const [file, text] of [
      ["a.yaml", "host: { mark: 0x10000000 } "],
      ["b.yaml", "host: { mark: 0x10000000 }"],
    ] as const) {
      expect(policyIn(file, text).host).toMatchObject({ mark: 0x10000000 });
    }
  });
});
