import type { ClassicHook } from "../edge/hooks/classic-hooks.ts";
import { formatPortRange } from "../base/port.ts";
import type { Forward } from "../import/forward.ts";
import { readForwards } from "../import/read-forwards.ts";
import { unpublished } from "../import/unpublished.ts";
import type { PublicationState } from "../model/state.ts";

/** A script that publishes, and what. */
export interface PublishingHook {
  readonly hook: ClassicHook;
  readonly forwards: readonly Forward[];
}

export interface HookFindings {
  readonly publishing: readonly PublishingHook[];
  /** Why a script cannot be retired. */
  readonly obstacles: readonly string[];
}

/** Scripts that publish with iptables. Others of the admin's are none of our business. */
export function findPublishing(
  hooks: readonly ClassicHook[],
  hooksJson: ClassicHook | undefined,
  publications: readonly PublicationState[],
): HookFindings {
  const read = hooks.flatMap((hook) => {
    const source = isOfHooksJson(hook) ? hooksJson : hook;
    const found = source && readForwards(source);
    const isPublishing = found && found.forwards.length + found.notCarried.length > 0;
    return isPublishing ? [{ hook, source, ...found }] : [];
  });
  const obstacles = read.flatMap(({ source, forwards, notCarried }) => [
    ...notCarried.map(({ at, what, reason }) => `${at.file}:${at.line}: ${what}: ${reason}`),
    ...unpublished(forwards, publications).map(
      (forward) =>
        `${forward.at.file}:${forward.at.line}: the policy does not publish ${describe(forward)}: virtwall import ${source.file}`,
    ),
  ]);
  return { publishing: read.map(({ hook, forwards }) => ({ hook, forwards })), obstacles };
}

/** libvirt-hook-qemu, whose script names the file that says what it does. */
function isOfHooksJson({ text }: ClassicHook): boolean {
  return /^#!.*python/.test(text) && text.includes("hooks.json");
}

function describe({ protocol, address, guestAddress, ...ports }: Forward): string {
  const target = `${guestAddress} port ${formatPortRange(ports.guestPorts)}`;
  return `${protocol}/${formatPortRange(ports.public)} of ${address ?? "every address"} to ${target}`;
}
