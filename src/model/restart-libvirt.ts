/** What brings back the libvirt that knows the guests, or the networks: one process or several, which systemd names differently. */
export const restartLibvirt = {
  guests: "systemctl restart libvirtd (or virtqemud)",
  networks: "systemctl restart virtnetworkd (or libvirtd)",
} as const;
