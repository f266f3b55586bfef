import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { runInMachine } from "../../lab/machine.ts";
import { buildPrograms, builtPrograms } from "./daemon-program.ts";

/*
 * What a namespace cannot have, a machine of its own can: how many connections are tracked is set for the whole kernel, and so is what it
 * lacks. The machine's table is full and it has no nat, then both are mended, then there are too few buckets.
 */
const run = `doctor() { "$NODE" cli.js doctor --json "$@" 2>/dev/null; echo "--- $?"; }
track() { echo "$2" >"/proc/sys/net/netfilter/nf_conntrack_$1"; }
nat="nft_chain_nat nft_nat nft_redir nft_masq"
nft 'table inet t { chain c { type filter hook output priority 0; ct state new accept; }; }'
track max 10
perl send.pl
rmmod nft_masq nft_redir nft_nat nft_chain_nat
doctor conntrack-table kernel-features
for module in $nat; do insmod "/modules/$module.ko"; done
doctor conntrack-table --fix
track max 65536
track buckets 1024
doctor conntrack-table
`.replace("$NODE", process.execPath);

/** Twenty flows, of which the table takes ten. */
const send = `use Socket;
socket(my $s, PF_INET, SOCK_DGRAM, 0) or die;
send($s, "x", 0, pack_sockaddr_in(4000 + $_, inet_aton("127.0.0.1"))) for 1 .. 20;
`;

interface Report {
  readonly findings: readonly {
    readonly id: string;
    readonly severity: string;
    readonly message: string;
    readonly evidence: readonly string[];
  }[];
  readonly mended: readonly { readonly done?: string }[];
}

let broken: Report;
let mended: Report;
let slow: Report;

beforeAll(async () => {
  await buildPrograms();
  const dist = join(builtPrograms, "dist");
  const names = readdirSync(dist).filter((name) => name.endsWith(".js"));
  const bundle = names.map((name) => [name, readFileSync(join(dist, name), "utf8")] as const);
  const { output } = await runInMachine(
    { ...Object.fromEntries(bundle), "package.json": '{"type":"module"}', "send.pl": send, run },
    { timeoutMs: 400_000, programs: [process.execPath] },
  );
  const reports = output.split(/^--- \d+\r?\n/m).slice(0, -1);
  [broken, mended, slow] = reports.map((text) => JSON.parse(text) as Report) as [
    Report,
    Report,
    Report,
  ];
}, 500_000);

test("a full table of connections is an error, and so is a kernel without nat", () => {
  expect(broken.findings).toMatchObject([
    {
      id: "kernel-features",
      severity: "error",
      message: "this kernel has no nat",
      evidence: ["nft --check refuses a rule that needs it (NFT_NAT, NFT_MASQ)"],
    },
    {
      id: "conntrack-table",
      severity: "error",
      evidence: ["net.netfilter.nf_conntrack_count = 10", "net.netfilter.nf_conntrack_max = 10"],
    },
  ]);
});

test("--fix makes the table larger, and the machine is sound", () => {
  expect(mended.findings).toEqual([]);
  expect(mended.mended[0]?.done).toContain("net/netfilter/nf_conntrack_max = 20, now and in");
});

test("a table with few buckets for its size is found", () => {
  expect(slow.findings).toMatchObject([
    {
      severity: "warning",
      evidence: ["net.netfilter.nf_conntrack_buckets = 1024", expect.any(String)],
    },
  ]);
});
