// Runs inside the Azurite process, before Azurite (node --import). What Azurite does not do itself: it says which port it was given, it ends when
// its parent does, which holds the other end of stdin, and it does not begin before the one that had its folder last has ended.
import fs from "node:fs";
import http from "node:http";
import path from "node:path";

const location = process.argv[process.argv.indexOf("--location") + 1];
const ownerFile = path.join(location, "owner.pid");
const LONGEST_WAIT_MS = 20_000;

// A parent that was killed may have been started again at once, and its Azurite still be on its way out.
const owner = fs.existsSync(ownerFile) ? Number(fs.readFileSync(ownerFile, "utf8")) : NaN;
for (const until = Date.now() + LONGEST_WAIT_MS; isAtWork(owner); await new Promise((resolve) => setTimeout(resolve, 50))) {
  if (Date.now() > until) {
    console.error(`The Azurite of an earlier start (process ${owner}) still uses ${location}. End it, then start again.`);
    process.exit(1);
  }
}
fs.writeFileSync(ownerFile, String(process.pid));

function isAtWork(pid) {
  if (!Number.isInteger(pid) || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM" && process.platform !== "linux";
  }
  if (process.platform !== "linux") return true;
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(location); // its number may be another program's by now
  } catch {
    return false;
  }
}

const listen = http.Server.prototype.listen;
http.Server.prototype.listen = function (...args) {
  this.once("listening", () => console.log(`cloudarchive-port ${this.address().port}`));
  return listen.apply(this, args);
};

// Ctrl+C in a terminal reaches every process in it. The parent decides when Azurite ends, which is after everything that uses it.
const once = process.once;
process.once = function (event, ...rest) {
  return event === "SIGINT" ? this : once.call(this, event, ...rest);
};
process.on("SIGINT", () => {});

// The parent says "stop" when it ends as it should: Azurite's own shutdown, which writes its index, is given ten seconds. Where the parent is gone
// without a word, so is this, at once: what was answered for is in the journal.
let stopping = false;
process.stdin.on("data", (bytes) => {
  if (!stopping && bytes.toString("latin1").includes("stop")) {
    stopping = true;
    process.emit("message", "shutdown");
    setTimeout(() => process.exit(1), 10_000).unref();
  }
});
process.stdin.on("error", () => {});
process.stdin.on("close", () => {
  if (!stopping) process.exit(0);
});
