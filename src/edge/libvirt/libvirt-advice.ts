import { restartLibvirt } from "../../model/restart-libvirt.ts";

/** The words, and what mends it where they (9.0, 11.3) say of libvirt's socket that nobody is behind it, or who may not use it. */
export function withAdvice(words: string): string {
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
