import type { Backend } from "../reconcile/libvirt-backend.ts";

/** A line that sets it; libvirt's own file has it in a comment only. */
const setting = /^([ \t]*firewall_backend[ \t]*=[ \t]*)(?:"([^"\n]*)"|'([^'\n]*)')/gm;

/** What network.conf says; undefined: libvirt chooses by itself. */
export function backendOf(text: string): string | undefined {
  const last = [...text.matchAll(setting)].at(-1);
  return last?.[2] ?? last?.[3];
}

/** The same file with that backend: everything else in it stays, byte for byte. */
export function withBackend(text: string, backend: Backend): string {
  if (backendOf(text) !== undefined) {
    return text.replaceAll(setting, (_whole, start: string) => `${start}"${backend}"`);
  }
  const end = text === "" || text.endsWith("\n") ? "" : "\n";
  return `${text}${end}firewall_backend = "${backend}"\n`;
}
