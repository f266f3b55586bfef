/** What an attribute of a filter's rule may hold; libvirt 11.3 nwfilter_conf.c, enum attrDatatype. */
export type AttributeType =
  | { readonly kind: "number"; readonly max: number; readonly words?: ReadonlyMap<string, number> }
  | { readonly kind: "mac" | "mac-mask" | "ipv4" | "ipv4-mask" | "ipv6" | "ipv6-mask" }
  | { readonly kind: "boolean" | "string" | "ipset-name" | "ipset-flags" | "state" | "tcp-flags" };

export interface FilterProtocol {
  /** Which of libvirt's two layers judges it: frames on the bridge, or packets with the state of their connection. */
  readonly layer: "ethernet" | "ip";
  readonly attributes: ReadonlyMap<string, AttributeType>;
}
