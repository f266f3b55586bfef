import type { Mac } from "../base/mac.ts";
import { quote } from "../base/quote.ts";
import type { FilterParameters } from "../model/filter.ts";
import type { GuestPolicy } from "../model/policy.ts";
import { nicElementsOf, withoutFilterRef, type NicElement } from "../parse/nic-filter-xml.ts";
import type { GuestSide } from "../ports/guests.ts";
import type { GuestChange } from "../reconcile/adopt-guest.ts";
import { addBindingToMetadata, type BindingEdit } from "./edit-metadata.ts";

/** What stands on one side of a guest. */
export interface GuestSideTexts {
  readonly side: GuestSide;
  readonly xml: string;
  readonly metadata: string | undefined;
  /** What the metadata says, and what the policy files say of the guest. */
  readonly own: GuestPolicy | undefined;
  readonly written: GuestPolicy | undefined;
}

export interface GuestSidePlan {
  /** Nics that libvirt judges now, with what it was told. */
  readonly nics: readonly (BindingEdit & { readonly xml: string })[];
  readonly change: GuestChange;
  /** Why it cannot be done, in words. */
  readonly obstacles: readonly string[];
}

/** How the filters of one side of a guest become virtwall's. */
export function planGuestSide(texts: GuestSideTexts): GuestSidePlan {
  const { side, xml, metadata } = texts;
  const elements = nicElementsOf(xml);
  if (elements === undefined) {
    return refused(`the guest's XML (${side}) is not understood`);
  }
  const twice = elements.find(({ mac }, i) => elements.findIndex((nic) => nic.mac === mac) !== i);
  if (twice !== undefined) return refused(`two nics have the address ${twice.mac}`);
  const judged = elements.flatMap(({ filterRef, ...nic }) =>
    filterRef === undefined ? [] : [{ nic, edit: { mac: nic.mac, ...filterRef } }],
  );
  const fresh = judged.filter(({ edit }) => boundTo(texts, edit.mac) === undefined);
  const after = fresh.reduce<string | undefined>(
    (text, { edit }) => addBindingToMetadata(text, edit),
    metadata,
  );
  return {
    nics: judged.map(({ edit }) => edit),
    change: {
      nics: judged.map(({ nic }) => nicChange(side, nic)),
      metadata: after === metadata ? [] : [{ side, before: metadata, after }],
    },
    obstacles: judged.flatMap(({ nic, edit }) => [
      ...(nic.offBridge === undefined
        ? []
        : [`nic ${nic.mac}: virtwall enforces no filter there: ${nic.offBridge}`]),
      ...obstaclesOf(edit, boundTo(texts, edit.mac)),
    ]),
  };
}

function refused(obstacle: string): GuestSidePlan {
  return { nics: [], change: { nics: [], metadata: [] }, obstacles: [obstacle] };
}

function nicChange(side: GuestSide, { xml }: NicElement): GuestChange["nics"][number] {
  return { side, before: xml, after: withoutFilterRef(xml) };
}

interface Bound {
  readonly filter: string;
  readonly parameters: FilterParameters;
}

/** What virtwall binds the nic to already. */
function boundTo({ own, written }: GuestSideTexts, mac: Mac): Bound | undefined {
  const nics = [written?.nics.get(mac), own?.nics.get(mac)];
  const filter = [...nics, written, own].find((said) => said?.filter)?.filter;
  const parameters = nics.find((nic) => nic !== undefined && nic.parameters.size > 0)?.parameters;
  return filter && { filter: filter.name, parameters: parameters ?? new Map() };
}

function obstaclesOf(edit: BindingEdit, bound: Bound | undefined): string[] {
  const { mac, filter, parameters } = edit;
  if (bound !== undefined) {
    const isSame = bound.filter === filter && textOf(bound.parameters) === textOf(parameters);
    const words = `nic ${mac} is bound to ${quote(bound.filter)} by virtwall, and to ${quote(filter)} by libvirt's XML`;
    return isSame ? [] : [`${words}: decide for one, and take the other out`];
  }
  return [...parameters.keys()]
    .filter((name) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    .map((name) => `nic ${mac}: a variable ${quote(name)} cannot be named in metadata`);
}

function textOf(parameters: FilterParameters): string {
  return JSON.stringify([...parameters].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
