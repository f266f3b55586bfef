/** A unicast or group MAC address, lower case, colons. Made by {@link parseMac} only. */
export type Mac = string & { readonly brand: "Mac" };

export function parseMac(text: string): Mac | undefined {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text) ? (text.toLowerCase() as Mac) : undefined;
}
