// Runs inside the Azurite process, before Azurite (node --import). What Azurite does not do itself: it says
// which port it was given, and it ends when its parent does, which holds the other end of stdin.
import http from "node:http";

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

process.stdin.on("error", () => {});
process.stdin.on("close", () => {
  // Azurite's own shutdown, which writes its index. It is given ten seconds.
  process.emit("message", "shutdown");
  setTimeout(() => process.exit(1), 10_000).unref();
});
process.stdin.resume();
