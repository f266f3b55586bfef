import type { XtablesListing } from "../ports/xtables.ts";
import type { Examination, Finding } from "./examination.ts";

/** Rules of iptables in places where whoever looks for them does not find them. */
export const iptablesVariants: Examination<"saves"> = {
  id: "iptables-variants",
  needs: ["saves"],
  examine: ({ saves }) => [...ofBoth(saves), ...saves.flatMap(ofUnlisted)],
};

/** iptables-nft and iptables-legacy both judge every packet, and each lists its own rules only. */
function ofBoth(saves: readonly XtablesListing[]): readonly Finding[] {
  const used = saves.filter(({ tables }) =>
    tables.some(({ chains }) =>
      chains.some(({ policy = "ACCEPT", rules }) => rules.length > 0 || policy !== "ACCEPT"),
    ),
  );
  const legacy = used.filter(({ command }) => command.endsWith("-legacy"));
  if (legacy.length === 0 || legacy.length === used.length) return [];
  return [
    {
      severity: "warning",
      message:
        "rules of iptables-legacy and of iptables on nftables judge every packet, one after the other",
      evidence: used.map(({ command, tables }) => `${command}-save: ${rulesText(tables)}`),
      fix: { text: `move the legacy rules over: ${legacy.map(moveOver).join("; ")}` },
    },
  ];
}

/** Policies first: one that drops would be all that a flushed chain has left. */
function moveOver({ command, tables }: XtablesListing): string {
  const lines = tables.flatMap(({ name, chains }) => {
    const policies = chains.filter(({ policy = "ACCEPT" }) => policy !== "ACCEPT");
    return [
      ...policies.map((chain) => `${command} -t ${name} -P ${chain.name} ACCEPT`),
      `${command} -t ${name} -F`,
    ];
  });
  const copy = `${command}-save | ${command.replace("-legacy", "")}-restore -n`;
  return [copy, ...lines].join(" && ");
}

function rulesText(tables: XtablesListing["tables"]): string {
  const { length } = tables.flatMap(({ chains }) => chains.flatMap(({ rules }) => rules));
  return length === 1 ? "1 rule" : `${length} rules`;
}

function ofUnlisted({ command, unlisted }: XtablesListing): readonly Finding[] {
  return unlisted.map((table) => ({
    severity: "warning",
    message: `${command} cannot list its own table ${table}: nft has put rules into it that ${command} does not know`,
    evidence: [`${command}-save: table ${table} is incompatible`],
    fix: {
      text: `nft list table ${command === "iptables" ? "ip" : "ip6"} ${table}; move rules that are not iptables' into a table of another name`,
    },
  }));
}
