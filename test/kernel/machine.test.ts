import { expect, test } from "vitest";

import { runInMachine } from "../../lab/machine.ts";
import { LabError } from "../../lab/run-program.ts";

test("a machine has the bridge's own connection tracking and reject, and tells how a script ended", async () => {
  const ruleset = `table bridge t {
	chain prerouting {
		type filter hook prerouting priority 1; policy accept;
		ct state established,related accept
		tcp dport 25 reject with tcp reset
	}
}
`;
  const word = await runInMachine({
    "ruleset.nft": ruleset,
    run: "nft -f ruleset.nft && nft list ruleset\nexit 3",
  });
  expect(word).toEqual({ status: 3, output: ruleset });
});

test("a machine that does not come to its end is an error", async () => {
  const ended = runInMachine({ run: "poweroff -f; sleep 60" });
  await expect(ended).rejects.toThrow(LabError);
  await expect(ended).rejects.toThrow("did not come to an end");
});
