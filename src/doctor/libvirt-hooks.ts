import { noLibvirt } from "./libvirt-version.ts";
import type { Examination, Finding } from "./examination.ts";
import type { OwnHook } from "../ports/host-facts.ts";

/** Our own hooks: there, of this version, and known to libvirt. */
export const libvirtHooks: Examination<"hooks" | "libvirt"> = {
  id: "libvirt-hooks",
  needs: ["hooks", "libvirt"],
  examine: ({ hooks: { own }, libvirt }) =>
    libvirt === undefined ? noLibvirt : own.flatMap((hook) => [...ofFile(hook), ...ofBlind(hook)]),
};

function ofFile({ driver, file, state }: OwnHook): readonly Finding[] {
  if (state === "installed") return [];
  const evidence = [`${file}: ${state}`];
  if (state === "foreign") {
    const message = `what stands in the place of our ${driver} hook is not ours`;
    const text = `mv ${file} to another name, then: virtwall hook install`;
    return [{ severity: "warning", message, evidence, fix: { text } }];
  }
  const message =
    state === "stale"
      ? `our ${driver} hook is of another version or for other paths`
      : `libvirt does not tell virtwall of a guest's ${driver === "qemu" ? "start" : "networks"} in time: its rules stand a moment late`;
  const fix = { text: "virtwall hook install", steps: [{ kind: "hook", driver }] } as const;
  return [{ severity: "warning", message, evidence, fix }];
}

/** libvirt asks at its start whether there is any hook, and never again. */
function ofBlind({ driver, file, blind }: OwnHook): readonly Finding[] {
  return blind.map(({ name, pid }) => ({
    severity: "warning",
    message: `${name} runs since before there was a ${driver} hook, and never looks for one`,
    evidence: [`${file}; ${name} has pid ${pid}`],
    fix: { text: `systemctl restart ${name} (guests go on running)` },
  }));
}
