import { type Command, Option } from "commander";
import { nearest } from "../base/nearest.ts";
import { addCommand, type Builder } from "./builder.ts";
import { UsageError } from "./exit-status.ts";
import type { TopologyFormat } from "./topology.ts";

/** Commands that show what goes on and what there is. */
export function addViews(builder: Builder): void {
  addTrace(builder);
  addTopology(builder);
}

function addTrace({ add, run, output }: Builder): void {
  run(
    add(
      "trace <subject...>",
      "show live packets on their way through all rules of the host",
      "virtwall trace guest:web1 --count 5",
    )
      .option("--count <packets>", "end after that many", positiveFor("--count"), 20)
      .option("--time <seconds>", "end after that long", positiveFor("--time"), 30),
    async ({ settings, args, own }) =>
      (await import("./trace.ts")).runTrace(settings, output, {
        subject: (args[0] as string[]).join(" "),
        count: Number(own["count"]),
        seconds: Number(own["time"]),
      }),
  );
}

function positiveFor(option: string): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (Number.isInteger(number) && number >= 1 && number <= 1_000_000) return number;
    throw new UsageError(`${option} ${text}: a number, 1 to 1000000`);
  };
}

const formats: readonly TopologyFormat[] = ["text", "mermaid", "svg"];

function addTopology({ add, run, output }: Builder): void {
  const topology = add(
    "topology",
    "draw uplinks, networks, guests and publications",
    "virtwall topology --format svg >topology.svg",
  ).addOption(
    new Option("--format <name>", "kind of picture").choices([...formats]).default("text"),
  );
  run(
    addCommand(topology, output, {
      line: "check",
      description: "prove that this host is as a firewall in a guest needs it",
      example: "virtwall topology check --json",
    }),
    async ({ settings }) =>
      (await import("./topology-check.ts")).runTopologyCheck(settings, output),
  );
  run(
    addCommand(topology, output, {
      line: "plan",
      description: "print the files and steps that bring this host to a firewall in a guest",
      example: "virtwall topology plan",
    }),
    async ({ settings }) => (await import("./topology-plan.ts")).runTopologyPlan(settings, output),
  );
  // commander would count what stands there, and not say what may.
  run(topology.allowExcessArguments(), async ({ settings, own }) => {
    refuseWords(topology);
    return (await import("./topology.ts")).runTopology(
      settings,
      output,
      formats.find((format) => format === own["format"]) ?? "text",
    );
  });
}

/** For a command that does something by itself, and has others below it. */
function refuseWords({ args, commands }: Command): void {
  const [word] = args;
  if (word === undefined) return;
  const names = commands.map((command) => command.name());
  const meant = nearest(word, names);
  const hint = meant === undefined ? `there are ${names.join(", ")}` : `did you mean ${meant}?`;
  throw new UsageError(`unknown command '${word}'; ${hint}`);
}
