import { daemonProtocol } from "../../wire/daemon-protocol.ts";
import { hookXmlLimitBytes, type HookDriver } from "../../wire/hook-call.ts";

export interface HookPaths {
  readonly daemonSocket: string;
  /** Names of guests as hex, one on each line. */
  readonly requiredFile: string;
  /** Runs the client where there is no perl. */
  readonly node: string;
}

/** The second line of every hook that we wrote, of whatever version. */
export const hookMark = "# virtwall's hook for libvirt";

/** Connecting, sending and waiting together. The daemon gives up a little earlier, so that its reason is heard. */
export const clientTimeoutS = 2;

/**
 * What libvirt runs, for one of its drivers. It waits for the daemon, prints nothing to stdout, since libvirt takes what a migrate or
 * restore hook prints for the guest's XML, and ends with 1 in one case only: a required guest is to be prepared or started and the
 * daemon does not answer that its rules stand. Every other status would be dangerous: on `reconnect` libvirt kills the guest.
 *
 * perl without a module takes 3 ms with the shell around it, node 30; a bare shell takes 1 and cannot open a socket. SOCK_STREAM is 1
 * on every architecture that has KVM but MIPS, where the hook finds no daemon.
 */
export function printHookScript(driver: HookDriver, paths: HookPaths): string {
  return `#!/bin/sh
${hookMark}, written by \`virtwall hook install\`.
exec >/dev/null
ask() {
  if command -v perl >/dev/null; then
    perl -e '${perlClient}' -- "$@"
  else
    ${shellQuote(paths.node)} -e '${nodeClient}' -- "$@"
  fi
}
ask ${shellQuote(paths.daemonSocket)} ${shellQuote(paths.requiredFile)} ${driver} "$@"
[ $? = 1 ] || exit 0
case ${driver}.$2 in qemu.prepare | qemu.start) exit 1 ;; esac
exit 0
`;
}

/** A string as one word of the shell, whatever is in it. */
function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

const noAnswer = `the daemon did not answer in ${clientTimeoutS} s`;

/** Where the guest's own XML says it, in `<metadata>`: a rough reading, for a moment at which nobody answers who reads better. */
const requiredInXml = String.raw`virtwall\.dev/guest/1.*<(?:[\w.-]+:)?required>\s*true\s*</`;
const requiredForNode = requiredInXml.replaceAll("\\", "\\\\");

// Both stand in single quotes of the shell: no such quote may occur in them.

const perlClient = `
($path, $list, $driver, @words) = @ARGV;
$raw = "";
sub finish {
  my $reason = shift;
  exit 0 unless defined $reason and $driver eq "qemu";
  my $required = $raw =~ m{${requiredInXml}}s;
  if (!$required and open my $file, "<", $list) {
    my $name = unpack "H*", $words[0];
    while (<$file>) { chomp; $required = 1 if $_ eq $name }
  }
  exit 0 unless $required;
  print STDERR "virtwall: this guest is required and its rules do not stand: $reason\\n";
  exit 1;
}
$SIG{PIPE} = "IGNORE";
$SIG{ALRM} = sub { finish("${noAnswer}") };
alarm ${clientTimeoutS};
while (sysread STDIN, $part, 65536) { $raw .= $part if length $raw <= ${hookXmlLimitBytes} }
$xml = length $raw > ${hookXmlLimitBytes} ? "null" : "\\"" . unpack("H*", $raw) . "\\"";
$hex = join ",", map { "\\"" . unpack("H*", $_) . "\\"" } grep { defined } @words[0 .. 3];
$request = "{\\"version\\":${daemonProtocol},\\"id\\":1,\\"request\\":\\"hook\\",\\"driver\\":\\"$driver\\",\\"words\\":[$hex],\\"xml\\":$xml}\\n";
socket $daemon, 1, 1, 0 or finish("no socket: $!");
connect $daemon, pack("Sa*x", 1, $path) or finish("the daemon does not answer: $!");
while (length $request) {
  my $count = syswrite $daemon, $request;
  finish("the daemon broke off: $!") unless $count;
  substr $request, 0, $count, "";
}
$reply = "";
while ($reply !~ /\\n/) { last unless sysread $daemon, $reply, 65536, length $reply }
finish(undef) if $reply =~ /"state":"ready"/;
finish($reply =~ /"(?:reason|message)":"((?:[^"\\\\]|\\\\.)*)"/ ? $1 : "the daemon broke off");
`;

const nodeClient = `
const { readFileSync } = require("node:fs");
const [path, list, driver, ...words] = process.argv.slice(1);
const parts = [];
const finish = (reason) => {
  if (reason === undefined || driver !== "qemu") process.exit(0);
  let names = "";
  try { names = readFileSync(list, "latin1") } catch {}
  const isListed = names.split("\\n").includes(Buffer.from(words[0] ?? "").toString("hex"));
  if (!isListed && !new RegExp("${requiredForNode}", "s").test(Buffer.concat(parts))) process.exit(0);
  console.error("virtwall: this guest is required and its rules do not stand: " + reason);
  process.exit(1);
};
process.on("uncaughtException", (error) => finish(error.message));
setTimeout(finish, ${clientTimeoutS}000, "${noAnswer}");
let length = 0;
process.stdin.on("error", () => finish("its XML cannot be read"));
process.stdin.on("data", (part) => {
  length += part.length;
  if (length <= ${hookXmlLimitBytes}) parts.push(part);
});
process.stdin.on("end", () => {
  const hex = words.slice(0, 4).map((word) => Buffer.from(word).toString("hex"));
  const xml = length > ${hookXmlLimitBytes} ? null : Buffer.concat(parts).toString("hex");
  const daemon = require("node:net").connect(path);
  daemon.on("error", (error) => finish("the daemon does not answer: " + error.code));
  daemon.write(JSON.stringify({ version: ${daemonProtocol}, id: 1, request: "hook", driver, words: hex, xml }) + "\\n");
  let reply = "";
  daemon.setEncoding("utf8").on("data", (text) => {
    reply += text;
    if (!reply.includes("\\n")) return;
    const { result = {}, message } = JSON.parse(reply.split("\\n")[0]);
    finish(result.state === "ready" ? undefined : (result.reason ?? message ?? "the daemon broke off"));
  });
  daemon.on("close", () => finish("the daemon broke off"));
});
`;
