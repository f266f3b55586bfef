export const defaultPolicyFile = "/etc/virtwall/policy.yaml";
export const defaultStateFolder = "/var/lib/virtwall";
export const defaultConnectUri = "qemu:///system";
