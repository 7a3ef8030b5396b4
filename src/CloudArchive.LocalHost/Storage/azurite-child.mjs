// Runs inside the Azurite process, before Azurite (node --import). Two things that Azurite does not do itself:
// it says which port it was given, and it ends when its parent does: the parent holds the other end of stdin.
import http from "node:http";

const listen = http.Server.prototype.listen;
http.Server.prototype.listen = function (...args) {
  this.once("listening", () => console.log(`cloudarchive-port ${this.address().port}`));
  return listen.apply(this, args);
};

process.stdin.on("error", () => {});
process.stdin.on("close", () => {
  // Azurite's own shutdown, which writes its index. It is given ten seconds.
  process.emit("message", "shutdown");
  setTimeout(() => process.exit(1), 10_000).unref();
});
process.stdin.resume();
