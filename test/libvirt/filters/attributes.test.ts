import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Attribute, attributeCase, stepText, wrongSteps } from "./attribute.ts";
import { ethernetCases } from "./ethernet-attributes.ts";
import { type Oracle, startOracle } from "./oracle.ts";
import { compileFilter } from "./our-filter.ts";
import { packetCases } from "./packet-attributes.ts";

let oracle: Oracle;
beforeAll(async () => {
  oracle = await startOracle();
});
afterAll(() => oracle?.stop());

const cases = [...ethernetCases, ...packetCases];

describe.each(cases.map((one) => [one.protocol, one] as const))("%s", (_, one) => {
  const part = (
    isTaken: (attribute: Attribute) => boolean,
    mayNegate?: (attribute: Attribute) => boolean,
  ) => {
    const attributes = one.attributes.filter(isTaken);
    return { attributes, ...attributeCase({ ...one, attributes }, mayNegate) };
  };

  test("libvirt drops what each attribute says, and nothing else", async () => {
    const taken = part(({ libvirtRefuses }) => libvirtRefuses === undefined);
    await oracle.bindLibvirts(taken.filter);
    const wrong = wrongSteps(taken.steps, await oracle.libvirts.send(taken.steps));
    const unexpected = wrong.filter(({ attribute }) => attribute.libvirtErrs === undefined);
    expect(unexpected.map(stepText)).toEqual([]);
    const erred = new Set(wrong.map(({ attribute }) => attribute.is));
    const erring = taken.attributes.filter(({ libvirtErrs }) => libvirtErrs !== undefined);
    expect(erring.map(({ is }) => is).filter((is) => !erred.has(is))).toEqual([]);
  });

  test("virtwall drops what each attribute says, and nothing else", async () => {
    const taken = part(
      ({ virtwallRefuses }) => virtwallRefuses === undefined,
      ({ isMisreadNegated }) => isMisreadNegated !== true,
    );
    await oracle.bindOurs(taken.filter);
    const wrong = wrongSteps(taken.steps, await oracle.ours.send(taken.steps));
    expect(wrong.map(stepText)).toEqual([]);
  });

  const alone = (attribute: Attribute) => {
    return attributeCase({ ...one, attributes: [attribute] }).filter;
  };
  const notInLibvirt = one.attributes.filter(({ libvirtRefuses }) => libvirtRefuses !== undefined);
  test("libvirt refuses what it is said to refuse, if anything", async () => {
    for (const attribute of notInLibvirt) {
      await expect(oracle.bindLibvirts(alone(attribute)), attribute.is).rejects.toThrow();
    }
  });

  const notInVirtwall = one.attributes.filter(
    ({ virtwallRefuses }) => virtwallRefuses !== undefined,
  );
  test("virtwall refuses what it is said to refuse, if anything", () => {
    for (const attribute of notInVirtwall) {
      expect(() => compileFilter(alone(attribute)), attribute.is).toThrow(
        /FILTER_NOT_ENFORCEABLE.*cannot be enforced here/,
      );
    }
  });
});
