// The guest's side of a real tap: `ip netns exec NAME node tap-agent.mjs DEVICE`. Makes the device, then writes each line of hex that
// it reads as one Ethernet frame, and prints each frame that the host sends as a line of hex. The first line it prints is `ready`.
import { closeSync, createReadStream, openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import koffi from "koffi";

// linux/if_tun.h
const TUNSETIFF = 0x400454ca;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;

const ioctl = koffi.load("libc.so.6").func("int ioctl(int fd, unsigned long request, void *data)");

const request = Buffer.alloc(40);
request.write(process.argv[2] ?? "", 0, 15, "latin1");
request.writeUInt16LE(IFF_TAP | IFF_NO_PI, 16);

const tap = openSync("/dev/net/tun", "r+");
if (ioctl(tap, TUNSETIFF, request) !== 0) {
  closeSync(tap);
  throw new Error("the kernel refused the tap");
}

// A read gives one frame.
createReadStream("", { fd: tap, highWaterMark: 65536 }).on("data", (frame) =>
  process.stdout.write(`${frame.toString("hex")}\n`),
);
createInterface({ input: process.stdin })
  .on("line", (line) => writeSync(tap, Buffer.from(line, "hex")))
  // A thread hangs in the read of the tap: only the signal ends it at once.
  .on("close", () => process.kill(process.pid, "SIGKILL"));
process.stdout.write("ready\n");
