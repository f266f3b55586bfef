import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SourceError } from "../../ports/sources.ts";
import { LiveLibvirt } from "./live-libvirt.ts";
import { VirshSession } from "./virsh-session.ts";

test("the test driver's guest and network are read by one long-lived virsh", async () => {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  await writeFile(join(folder, "virbr0.status"), "[]");
  const libvirt = new LiveLibvirt("test:///default", { leaseFolder: folder });
  try {
    const texts = await libvirt.read();
    expect(texts.guests.map((guest) => guest.file)).toEqual(["libvirt:guest/test.xml"]);
    expect(texts.guests[0]?.text).toMatch(/^<domain [^]*<\/domain>\s*$/);
    expect(texts.networks[0]?.text).toMatch(/^<network[^]*<\/network>\s*$/);
    expect(texts.leases.map((lease) => lease.text)).toEqual(["[]"]);
  } finally {
    libvirt.close();
    await rm(folder, { recursive: true });
  }
});

test("a guest goes by its own name or else its UUID, and not by a name that its owner wrote elsewhere", async () => {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  const [web1, odd, impostor] = ["1", "2", "3"].map(
    (end) => `00000000-0000-4000-8000-00000000000${end}`,
  );
  const guest = (name: string, uuid: string | undefined) =>
    `<domain type='test'><name>${name}</name><uuid>${uuid}</uuid><memory>1024</memory><os><type>hvm</type></os>
     <metadata><own:note xmlns:own='urn:own'><name>web1</name></own:note></metadata></domain>`;
  const guests = [guest("web1", web1), guest("a guest", odd), guest(odd ?? "", impostor)];
  await writeFile(join(folder, "node.xml"), `<node>${guests.join("")}</node>`);
  const libvirt = new LiveLibvirt(`test://${folder}/node.xml`, { leaseFolder: folder });
  try {
    const files = (await libvirt.read()).guests.map(({ file }) => file);
    expect(files).toEqual(["web1", odd, impostor].map((name) => `libvirt:guest/${name}.xml`));
  } finally {
    libvirt.close();
    await rm(folder, { recursive: true });
  }
});

test("a guest's XML is handed out ahead once, until it says something else", async () => {
  const texts: string[] = [];
  const onGuest = ({ text }: { readonly text: string }): void => void texts.push(text);
  const libvirt = new LiveLibvirt("test:///default", { onGuest });
  try {
    const [first] = (await libvirt.read()).guests;
    libvirt.expectChange({ kind: "everything" });
    expect((await libvirt.read()).guests[0]).toBe(first);
    expect(texts).toEqual([first?.text]);
  } finally {
    libvirt.close();
  }
});

test("a command that libvirt refuses is an error in libvirt's words, and the session goes on", async () => {
  const session = new VirshSession("test:///default");
  try {
    const refused = await session.run("dumpxml 00000000-0000-0000-0000-000000000000");
    expect(refused.error).toContain("failed to get domain");
    expect((await session.run("list --name")).stdout.trim()).toBe("test");
  } finally {
    session.close();
  }
});

test("commands that are sent together are answered each for itself", async () => {
  const session = new VirshSession("test:///default");
  const commands = ["list --name", "dumpxml nobody", "dumpxml test", "net-list --name"];
  try {
    const answers = await Promise.all(commands.map((command) => session.run(command)));
    expect(answers.map(({ stdout }) => stdout.trim().split("\n")[0])).toEqual([
      "test",
      "",
      "<domain type='test' id='1'>",
      "default",
    ]);
    expect(answers.map(({ error }) => error !== "")).toEqual([false, true, false, false]);
  } finally {
    session.close();
  }
});

test("when virsh ends, whatever it was asked is refused, and the next command has another one", async () => {
  const session = new VirshSession("test:///default");
  try {
    const together = ["quit", "list --name"].map((command) => session.run(command));
    const outcomes = await Promise.allSettled(together);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect((await session.run("list --name")).stdout.trim()).toBe("test");
  } finally {
    session.close();
  }
});

test("a session that is closed answers nothing more, and the next command has another virsh", async () => {
  const session = new VirshSession("test:///default");
  const unanswered = session.run("event --loop --event lifecycle");
  session.close();
  await expect(unanswered).rejects.toThrow(/called off/);
  try {
    expect((await session.run("list --name")).stdout.trim()).toBe("test");
  } finally {
    session.close();
  }
});

describe("while libvirt is busy with one guest or network and lists none", () => {
  const [web1, web2] = ["1", "2"].map((end) => `00000000-0000-4000-8000-00000000000${end}`);
  const path = process.env["PATH"];
  let folder: string;
  let libvirt: LiveLibvirt;

  const guest = (name: string, uuid: string | undefined, title: string) =>
    `<domain type='test'><name>${name}</name><uuid>${uuid}</uuid><title>${title}</title><memory>1024</memory><os><type>hvm</type></os></domain>`;
  /** Each virsh reads the node's file at its start. */
  const become = (title: string) =>
    writeFile(
      join(folder, "node.xml"),
      `<node>${guest("web1", web1, title)}${guest("web2", web2, title)}</node>`,
    );
  const answerNot = (...commands: readonly string[]) =>
    writeFile(join(folder, "unanswered"), commands.map((command) => `${command}\n`).join(""));
  const titles = async () => {
    const { guests, late } = await libvirt.read();
    return { late, titles: guests.map(({ text }) => /<title>(.*)</.exec(text)?.[1]) };
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "virtwall-"));
    const virsh = `#!/bin/sh
while IFS= read -r line; do
  while grep -qxF "$line" ${folder}/unanswered; do sleep 0.02; done
  printf '%s\n' "$line"
done 2>/dev/null | ${execFileSync("sh", ["-c", "command -v virsh"], { encoding: "utf8" }).trim()} "$@"`;
    await writeFile(join(folder, "virsh"), virsh, { mode: 0o755 });
    process.env["PATH"] = `${folder}:${path}`;
    await become("old");
  });
  afterEach(async () => {
    process.env["PATH"] = path;
    libvirt.close();
    await rm(folder, { recursive: true });
  });
  const begin = (patienceMs: number) =>
    (libvirt = new LiveLibvirt(`test://${folder}/node.xml`, { leaseFolder: folder, patienceMs }));

  test("the others are followed, and it is told", async () => {
    begin(2_000);
    await expect.poll(titles).toEqual({ late: undefined, titles: ["old", "old"] });
    await become("new");
    await answerNot("list --uuid", `dumpxml ${web1}`);
    libvirt.expectChange({ kind: "everything" });
    await expect.poll(titles, { timeout: 30_000 }).toEqual({
      late: expect.stringMatching(
        /says nothing of libvirt:guest\/web1.xml: .*; if it stays so: systemctl restart libvirtd/,
      ),
      titles: ["old", "new"],
    });
    await answerNot();
    await expect.poll(titles, { timeout: 30_000 }).toMatchObject({ late: undefined });
  }, 90_000);

  test("a guest of which it says nothing, and whose taps are gone, has ended", async () => {
    const withTap = (name: string, uuid: string | undefined) =>
      guest(name, uuid, name).replace(
        "</domain>",
        `<devices><interface type='ethernet'><target dev='${name}'/></interface></devices></domain>`,
      );
    const both = `<node>${withTap("web1", web1)}${withTap("web2", web2)}</node>`;
    await writeFile(join(folder, "node.xml"), both);
    begin(2_000);
    await expect.poll(titles).toEqual({ late: undefined, titles: ["web1", "web2"] });
    await writeFile(join(folder, "node.xml"), `<node>${withTap("web2", web2)}</node>`);
    await answerNot("list --uuid");
    libvirt.expectChange({ kind: "everything" });
    const late = expect.stringContaining("does not list the guests");
    await expect.poll(titles, { timeout: 30_000 }).toEqual({ late, titles: ["web1", "web2"] });
    const taps = ["web1"] as never;
    libvirt.expectChange({ kind: "taps", taps, gone: taps });
    await expect.poll(titles, { timeout: 30_000 }).toEqual({ late, titles: ["web2"] });
  }, 90_000);

  test("a libvirt that answers of nobody is not asked of everybody", async () => {
    const uuids = Array.from({ length: 7 }, (_, index) => `${web1?.slice(0, -1)}${index}`);
    const guests = uuids.map((uuid, index) => guest(`many${index}`, uuid, ""));
    await writeFile(join(folder, "node.xml"), `<node>${guests.join("")}</node>`);
    begin(300);
    const listed = () => titles().catch(() => undefined);
    await expect.poll(listed, { timeout: 30_000 }).toMatchObject({ titles: { length: 7 } });
    await expect.poll(listed, { timeout: 30_000 }).toMatchObject({ late: undefined });
    await answerNot("list --uuid", ...uuids.map((uuid) => `dumpxml ${uuid}`));
    libvirt.expectChange({ kind: "everything" });
    const named = async () => (await libvirt.read()).late?.match(/many\d/g);
    for (const count of [1, 2, 3, 4, 4]) expect(await named()).toHaveLength(count);
  }, 90_000);

  test("the guests are followed where it lists no networks, and it is told", async () => {
    begin(1_000);
    await expect.poll(titles).toEqual({ late: undefined, titles: ["old", "old"] });
    await become("new");
    // The next virsh reads that.
    libvirt.close();
    await answerNot("net-list --uuid");
    libvirt.expectChange({ kind: "everything" });
    const followed = {
      late: expect.stringMatching(
        /^libvirt does not list the networks: .*; if it stays so: systemctl restart libvirtd/,
      ),
      titles: ["new", "new"],
    };
    await expect.poll(titles, { timeout: 30_000 }).toEqual(followed);
    await answerNot();
    await expect.poll(titles, { timeout: 30_000 }).toMatchObject({ late: undefined });
  }, 90_000);

  test("there is no inventory before the first listing, which is waited for on and on", async () => {
    begin(100);
    await answerNot("list --uuid");
    const refusal = /^libvirt does not list the guests; if it stays so: systemctl restart libvirtd/;
    await expect(libvirt.read()).rejects.toThrow(refusal);
    await expect(libvirt.read()).rejects.toThrow(refusal);
    await answerNot();
    const read = () => titles().catch(({ message }: Error) => message);
    await expect
      .poll(read, { timeout: 30_000 })
      .toEqual({ late: undefined, titles: ["old", "old"] });
  }, 90_000);
});

test("what is no file in the place of a bridge's leases keeps nobody from the rest", async () => {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  const libvirt = new LiveLibvirt("test:///default", { leaseFolder: folder });
  try {
    await mkdir(join(folder, "virbr0.status"));
    await writeFile(join(folder, "virbr1.status"), "[]");
    expect((await libvirt.read()).leases).toEqual([
      { file: join(folder, "virbr0.status"), text: "", unread: "not a regular file" },
      { file: join(folder, "virbr1.status"), text: "[]" },
    ]);
  } finally {
    libvirt.close();
    await rm(folder, { recursive: true });
  }
});

test("a libvirt that is not there is a refusal with what starts it, not an empty inventory", async () => {
  const libvirt = new LiveLibvirt("qemu+unix:///system?socket=/nonexistent");
  await expect(libvirt.read()).rejects.toThrow(SourceError);
  await expect(libvirt.read()).rejects.toThrow(
    /nonexistent.*: start it by systemctl start libvirtd/,
  );
  libvirt.close();
});

test("without virsh the package to install is named", async () => {
  const path = process.env["PATH"];
  process.env["PATH"] = "/nonexistent";
  try {
    const libvirt = new LiveLibvirt("test:///default");
    await expect(libvirt.read()).rejects.toMatchObject({ missing: "libvirt-clients" });
  } finally {
    process.env["PATH"] = path;
  }
});

test("what no event told of is known half a minute later", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const libvirt = new LiveLibvirt("test:///default");
  let count = 0;
  const stop = libvirt.watch(() => count++);
  try {
    await expect.poll(() => count, { timeout: 30_000 }).toBe(2);
    const { networks } = await libvirt.read();
    expect((await libvirt.read()).networks).toBe(networks);
    vi.advanceTimersByTime(30_000);
    expect(count).toBe(3);
    expect((await libvirt.read()).networks).not.toBe(networks);
  } finally {
    stop();
    vi.useRealTimers();
  }
});

test("a watch tells once libvirt's events are listened to, and what is known then is not asked for again", async () => {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  const libvirt = new LiveLibvirt("test:///default", { leaseFolder: folder });
  let count = 0;
  const stop = libvirt.watch(() => count++);
  try {
    await expect.poll(() => count).toBe(2);
    const first = await libvirt.read();
    await writeFile(join(folder, "virbr0.status"), "[]");
    await expect.poll(() => count).toBeGreaterThan(2);
    const second = await libvirt.read();
    expect(second.guests).toBe(first.guests);
    expect(second.leases).toHaveLength(1);
    // `virsh net-update` of a reservation writes this file, and has no event.
    await writeFile(join(folder, "default.hostsfile"), "");
    await expect.poll(async () => (await libvirt.read()).networks).not.toBe(first.networks);
    expect((await libvirt.read()).guests).toBe(first.guests);
  } finally {
    stop();
    await rm(folder, { recursive: true });
  }
});
