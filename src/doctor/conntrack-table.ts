import type { Examination, Finding } from "./examination.ts";
import { settingFix, settingText } from "./settings.ts";

const count = "net/netfilter/nf_conntrack_count";
const most = "net/netfilter/nf_conntrack_max";
const buckets = "net/netfilter/nf_conntrack_buckets";

/** Entries a bucket above which every new connection walks long lists; the kernel's own default is 1 (nf_conntrack-sysctl.rst). */
const longestList = 8;

/** A full table drops the first packet of every new connection, of guests and host. */
export const conntrackTable: Examination<"settings"> = {
  id: "conntrack-table",
  needs: ["settings"],
  examine({ settings }) {
    const [used, limit, hash] = [count, most, buckets].map((path) => Number(settings.get(path)));
    // The kernel has loaded no tracking: nothing is full. 0 as limit means none.
    if (used === undefined || !limit || !hash) return [];
    const findings: Finding[] = [];
    if (used >= limit * 0.9) {
      findings.push({
        severity: used >= limit ? "error" : "warning",
        message: "the kernel's table of connections is all but full: new connections are dropped",
        evidence: [settingText(settings, count), settingText(settings, most)],
        fix: settingFix([
          { path: most, value: String(limit * 2) },
          { path: buckets, value: String(Math.max(hash, limit * 2)) },
        ]),
      });
    } else if (limit > hash * longestList) {
      findings.push({
        severity: "warning",
        message: "the kernel's table of connections has too few buckets for its size: it gets slow",
        evidence: [settingText(settings, buckets), settingText(settings, most)],
        fix: settingFix([{ path: buckets, value: String(limit) }]),
      });
    }
    return findings;
  },
};
