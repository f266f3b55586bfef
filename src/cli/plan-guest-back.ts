import type { Mac } from "../base/mac.ts";
import { nicElementsOf, withFilterRef } from "../parse/nic-filter-xml.ts";
import type { SavedGuestAdoption } from "../ports/state.ts";
import type { GuestChange } from "../reconcile/adopt-guest.ts";
import { removeBindingFromMetadata } from "./edit-metadata.ts";
import type { GuestSideTexts } from "./plan-guest-side.ts";

type Now = Pick<GuestSideTexts, "side" | "xml" | "metadata">;

/**
 * How one side of a guest gets back what adoption took and loses what it wrote, and nothing else. Where a nic has a filter of libvirt's
 * again, or is gone, it stays as it is. What was started since has what it would have had.
 */
export function planGuestBack(saved: SavedGuestAdoption, now: Now): GuestChange {
  const { side, xml, metadata } = now;
  const former = new Map(
    saved.nics.map(({ mac, filterRef }) => [mac, filterRef[side] ?? Object.values(filterRef)[0]]),
  );
  const bare = (nicElementsOf(xml) ?? []).filter(({ filterRef }) => filterRef === undefined);
  const left = metadataLeft(saved, now);
  return {
    nics: bare.flatMap(({ mac, xml: nic }) => {
      const element = former.get(mac);
      return element === undefined
        ? []
        : [{ side, before: nic, after: withFilterRef(nic, element) }];
    }),
    metadata: left === metadata ? [] : [{ side, before: metadata, after: left }],
  };
}

/** The bytes of before where the element is as adoption left it; otherwise without the bindings that it added. */
function metadataLeft({ nics, metadata: saved }: SavedGuestAdoption, now: Now): string | undefined {
  const { side, metadata } = now;
  const wasThere = nics.some(({ filterRef }) => filterRef[side] !== undefined);
  const change = saved[side] ?? (wasThere ? undefined : Object.values(saved)[0]);
  if (metadata === undefined || change === undefined) return metadata;
  const { before, after = "" } = change;
  if (withoutSpace(metadata) === withoutSpace(after)) return before;
  const isAdded = (mac: string) =>
    before === undefined || removeBindingFromMetadata(before, mac as Mac) === before;
  const others = nics
    .filter(({ mac }) => isAdded(mac))
    .reduce((text, { mac }) => removeBindingFromMetadata(text, mac as Mac), metadata);
  return others === "" ? undefined : others;
}

/** virsh shows the element with white space of its own. */
function withoutSpace(xml: string): string {
  return xml.replaceAll(/>\s+</g, "><").trim();
}
