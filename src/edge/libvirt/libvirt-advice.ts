import { restartLibvirt } from "../../model/restart-libvirt.ts";

/** The words, and what mends it where they (9.0, 11.3) say of libvirt's socket who is not behind it, or hangs, or may not use it. */
export function withAdvice(words: string, uri: string): string {
  if (words.includes("keepalive timeout")) return `${words}${onSilence(uri)}`;
  if (/connect socket to '\/.*(No such file|Connection refused)/.test(words)) {
    return `${words}: start it by systemctl start libvirtd, of the package libvirt-daemon-system`;
  }
  const isRefused =
    /connect socket to .*Permission denied|authentication (unavailable|failed)|system bus connection/;
  return isRefused.test(words) ? `${words}: it answers root, and its own group libvirt` : words;
}

/** What mends a libvirt that takes questions and answers none; of one on another host nobody here knows. */
export function onSilence(uri: string): string {
  if (!uri.includes(":///")) return "";
  const { guests, networks } = restartLibvirt;
  const restart = uri.startsWith("network:") ? networks : guests;
  return `; if it stays so: ${restart}, guests go on running`;
}
