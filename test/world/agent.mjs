// One end of the packets in a test world: `ip netns exec NAME node agent.mjs LABEL`. Reads one JSON request a line, answers one JSON line
// with the request's id, ends when its input ends. Plain JavaScript, so that it starts without a build.
import dgram from "node:dgram";
import net from "node:net";
import os from "node:os";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const label = process.argv[2] ?? "";
const flows = new Map();
/** Sources of all datagrams that listeners received, by port: also of those that no answer can reach. */
const heard = new Map();

const plain = (address) => (address ?? "").replace(/^::ffff:/, "");

/** What a listener says to whoever reaches it. */
const greeting = (port, peer) => ({
  by: label,
  port,
  saw: plain(peer.address),
  sawPort: peer.port,
});

/** With `everyMs` it also sends a line by itself every so often. */
function listenTcp({ port, everyMs }) {
  const server = net.createServer((socket) => {
    socket.on("error", () => socket.destroy());
    if (everyMs) {
      const timer = setInterval(() => socket.write("tick\n"), everyMs);
      socket.on("close", () => clearInterval(timer));
    }
    socket.write(
      `${JSON.stringify(greeting(port, { address: socket.remoteAddress, port: socket.remotePort }))}\n`,
    );
    socket.on("data", (data) => socket.write(data));
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen({ port, host: "::" }, () => resolve({}));
  });
}

/** One socket an address: a wildcard socket would answer from the address that routing prefers, not the one that was asked. */
async function listenUdp({ port }) {
  const addresses = Object.values(os.networkInterfaces())
    .flat()
    .filter(({ address }) => !address.startsWith("fe80"));
  await Promise.all(
    addresses.map(
      ({ address, family }) =>
        new Promise((resolve, reject) => {
          const type = family === "IPv4" ? "udp4" : "udp6";
          // A client of this namespace may send from the port; the kernel tells connected sockets apart by their peer.
          const socket = dgram.createSocket({ type, reuseAddr: true });
          socket.on("error", reject);
          socket.on("message", (message, peer) => {
            if (!heard.has(port)) heard.set(port, new Set());
            heard.get(port).add(peer.address);
            const answer = { ...greeting(port, peer), echo: String(message) };
            socket.send(JSON.stringify(answer), peer.port, peer.address);
          });
          socket.bind(port, address, resolve);
        }),
    ),
  );
  return {};
}

/** How an attempt without an answer ended: nothing came back, or somebody said no. */
function failure(error) {
  if (error.code.startsWith("EADDR")) return { fault: `${label}: ${error.message}` };
  if (error.code === "ECONNREFUSED" || error.code === "ECONNRESET") return { outcome: "refused" };
  return { outcome: "unreachable", error: error.code };
}

function openTcp({ host, port, source, sourcePort, timeoutMs }) {
  return new Promise((resolve) => {
    const local = {
      ...(source && { localAddress: source }),
      ...(sourcePort && { localPort: sourcePort }),
    };
    const socket = net.connect({ host, port, ...local });
    let text = "";
    const end = (result) => {
      clearTimeout(timer);
      resolve({ socket, ...result });
    };
    const timer = setTimeout(() => end({ outcome: "silent" }), timeoutMs);
    socket.on("error", (error) => end(failure(error)));
    socket.on("data", (data) => {
      text += data;
      const line = text.indexOf("\n");
      if (line < 0) return;
      end({ outcome: "answered", ...JSON.parse(text.slice(0, line)) });
    });
  });
}

async function connectTcp(request) {
  const { socket, ...result } = await openTcp(request);
  socket.on("error", () => {});
  socket.destroy();
  return result;
}

async function hold(request) {
  const { socket, ...result } = await openTcp(request);
  if (result.outcome !== "answered") socket.destroy();
  socket.on("error", () => {});
  flows.set(request.flow, socket);
  return result;
}

/** Sends a word over a flow that {@link hold} opened and waits for its echo. */
function exchange({ flow, timeoutMs }) {
  const socket = flows.get(flow);
  return new Promise((resolve) => {
    const word = `${Math.random()}\n`;
    let text = "";
    const end = (outcome) => {
      clearTimeout(timer);
      socket.off("data", read);
      resolve({ outcome });
    };
    const read = (data) => {
      text += data;
      if (text.includes(word)) end("answered");
    };
    const timer = setTimeout(() => end("silent"), timeoutMs);
    socket.on("data", read);
    socket.write(word);
  });
}

/** Counts what comes in over a held flow, and sends nothing. */
function overhear({ flow, timeoutMs }) {
  const socket = flows.get(flow);
  return new Promise((resolve) => {
    let bytes = 0;
    const count = (data) => (bytes += data.length);
    socket.on("data", count);
    setTimeout(() => {
      socket.off("data", count);
      resolve({ bytes });
    }, timeoutMs);
  });
}

function release({ flow }) {
  flows.get(flow)?.destroy();
  flows.delete(flow);
  return {};
}

function sendUdp({ host, port, source, sourcePort, timeoutMs }) {
  return new Promise((resolve) => {
    // As with listeners: several lines of one case may send from the same port.
    const socket = dgram.createSocket({
      type: net.isIPv4(host) ? "udp4" : "udp6",
      reuseAddr: sourcePort !== undefined,
    });
    const word = String(Math.random());
    const end = (result) => {
      clearTimeout(timer);
      socket.close();
      resolve(result);
    };
    const timer = setTimeout(() => end({ outcome: "silent" }), timeoutMs);
    socket.on("error", (error) => end(failure(error)));
    socket.on("message", (message) => {
      const { echo, ...answer } = JSON.parse(String(message));
      if (echo === word) end({ outcome: "answered", ...answer });
    });
    const connect = () => socket.connect(port, host, (error) => !error && socket.send(word));
    if (source || sourcePort) socket.bind(sourcePort, source, connect);
    else connect();
  });
}

function ping({ host, source, timeoutMs }) {
  const run = (command, prefix, otherwise) =>
    new Promise((resolve, reject) => {
      const six = net.isIPv6(host) ? ["-6"] : ["-4"];
      const from = source ? ["-I", source] : [];
      const args = [...prefix, ...six, "-c", "1", "-W", "1", ...from, host];
      const child = spawn(command, args, { stdio: "ignore" });
      const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
      child.on("error", (error) => {
        clearTimeout(timer);
        if (otherwise) resolve(otherwise());
        else reject(new Error(`neither ping nor busybox is there: ${error.message}`));
      });
      child.on("exit", (code) => {
        clearTimeout(timer);
        resolve({ outcome: code === 0 ? "answered" : "silent" });
      });
    });
  return run("ping", [], () => run("busybox", ["ping"]));
}

/** Numbered datagrams at a steady rate, spread over flows that begin one after the other; each is echoed by a listener. */
function stream({ host, port, packets, perSecond, flowCount }) {
  return new Promise((resolve) => {
    const arrivals = new Map();
    const sockets = [];
    const socketOf = (number) => {
      const index = Math.floor((number * flowCount) / packets);
      sockets[index] ??= dgram
        .createSocket(net.isIPv4(host) ? "udp4" : "udp6")
        .on("error", () => {})
        .on("message", (message) =>
          arrivals.set(Number(JSON.parse(String(message)).echo), performance.now()),
        );
      return sockets[index];
    };
    const begin = performance.now();
    let sent = 0;
    const finish = () => {
      const times = [...arrivals.values()].sort((a, b) => a - b);
      const gaps = times.map((time, i) => time - (times[i - 1] ?? begin));
      for (const socket of sockets) socket?.close();
      const longestGapMs = gaps.reduce((a, b) => Math.max(a, b), 0);
      resolve({ sent, lost: sent - arrivals.size, longestGapMs });
    };
    const timer = setInterval(() => {
      const due = Math.min(packets, ((performance.now() - begin) / 1000) * perSecond);
      for (; sent < due; sent++) socketOf(sent).send(String(sent), port, host);
      if (sent < packets) return;
      clearInterval(timer);
      setTimeout(finish, 300);
    }, 2);
  });
}

/** One datagram to each of many ports, from one socket. */
async function spray({ host, firstPort, count }) {
  const socket = dgram.createSocket(net.isIPv4(host) ? "udp4" : "udp6");
  socket.on("error", () => {});
  for (let port = firstPort; port < firstPort + count; port++) {
    await new Promise((resolve) => socket.send("x", port, host, resolve));
  }
  socket.close();
  return {};
}

function sysctl({ values }) {
  for (const [key, value] of Object.entries(values)) {
    writeFileSync(`/proc/sys/${key.replaceAll(".", "/")}`, value);
  }
  return {};
}

function takeHeard({ port }) {
  const sources = [...(heard.get(port) ?? [])];
  heard.delete(port);
  return { sources };
}

const commands = {
  hello: () => ({}),
  "listen-tcp": listenTcp,
  "listen-udp": listenUdp,
  tcp: connectTcp,
  udp: sendUdp,
  icmp: ping,
  heard: takeHeard,
  hold,
  exchange,
  overhear,
  release,
  stream,
  spray,
  sysctl,
};

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { id, command, ...request } = JSON.parse(line);
    let answer;
    try {
      answer = { id, ...(await commands[command](request)) };
    } catch (error) {
      answer = { id, fault: `${label}: ${command}: ${error.message}` };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  })
  .on("close", () => process.exit(0));
