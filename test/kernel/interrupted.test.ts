import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { buildPrograms, nft, Site } from "./daemon-program.ts";

let site: Site;
let programs: string;

const before = "networks:\n  front: { mode: nat }\n";
const wanted = "networks:\n  front: { mode: isolated }\n";

beforeAll(buildPrograms);

beforeEach(() => {
  site = new Site(before);
  programs = join(site.folder, "programs");
  mkdirSync(programs);
});

afterEach(() => site.close());

/** Runs a command that is sent SIGINT by the program of that name, where it runs that one and the condition of a shell holds. */
function interrupted(program: string, condition: string, args: readonly string[]) {
  const path = process.env["PATH"] ?? "";
  const told = join(site.folder, "told");
  const script = `#!/bin/sh
if ${condition}; then
  : >'${told}'
  kill -INT $PPID
fi
PATH='${path}'
exec ${program} "$@"
`;
  writeFileSync(join(programs, program), script);
  chmodSync(join(programs, program), 0o755);
  const ended = site.run(args, { env: { ...process.env, PATH: `${programs}:${path}` } });
  expect(existsSync(told), ended.stderr).toBe(true);
  return ended;
}

const says = (text: string) => `grep -q '${text}' '${site.policyFile}'`;
const policy = () => readFileSync(site.policyFile, "utf8");

test("^C before anything is written ends an apply that has changed nothing", () => {
  expect(interrupted("ip", "true", ["apply"]).status).not.toBe(0);
  expect(nft("list", "tables")).toBe("");
});

test("^C behind that comes too late: what is written is applied, or was before it", () => {
  expect(site.run(["apply"])).toMatchObject({ status: 0 });
  const [file, former] = [join(site.folder, "wanted.yaml"), nft("-s", "list", "ruleset")];
  writeFileSync(file, wanted);
  const applied = interrupted("ip", says("isolated"), ["apply", file]);
  expect(applied).toMatchObject({ status: 0 });
  expect(applied.stderr).toContain("SIGINT: comes too late: it is being done\n");
  expect([policy(), site.run(["diff"]).status]).toEqual([wanted, 0]);
  const rolled = interrupted("ip", says("nat"), ["rollback"]);
  expect(rolled).toMatchObject({ status: 0 });
  expect([policy(), nft("-s", "list", "ruleset")]).toEqual([before, former]);
});

test("^C leaves no half of what stop --clean and integrate do", () => {
  expect(site.run(["apply"])).toMatchObject({ status: 0 });
  const stopped = interrupted("nft", "true", ["stop", "--clean"]);
  expect(stopped).toMatchObject({ status: 0 });
  expect([nft("list", "ruleset"), existsSync(site.state)]).toEqual(["", false]);
  const file = join(site.folder, "nftables.conf");
  writeFileSync(
    file,
    "table inet mine {\n chain forward {\n  type filter hook forward priority 0; policy drop;\n }\n}\n",
  );
  const integrated = interrupted("nft", "true", ["integrate", "--file", file]);
  expect(integrated).toMatchObject({ status: 0 });
  expect(integrated.stderr).toContain("SIGINT: comes too late");
  expect(readFileSync(file, "utf8")).toContain("accept");
  site.writePolicy("frob: 1\n");
  expect(site.run(["integrate", "--file", file])).toMatchObject({ status: 1 });
  expect(site.run(["integrate", "--file", file, "--undo"])).toMatchObject({ status: 0 });
  expect(readFileSync(file, "utf8")).not.toContain("accept");
});
