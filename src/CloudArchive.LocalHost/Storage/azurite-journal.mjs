// Runs inside the Azurite process, before Azurite (node --import). Azurite keeps its index (LokiJS: tables' rows, the list of blobs) in memory and
// writes the whole of it to a file every five seconds: a process that is killed forgets what it had answered for, and the larger the index the
// longer each write takes. Here every change is appended to a journal, and no answer leaves before the changes made so far are on the disk. The
// whole is written only when the journal has grown, and when Azurite ends as it should.
//
//   {file}                 the index as of some moment, with the number of the journal that goes on from there
//   {file}.journal-{n}     records: "{length} {checksum} {JSON}\n", where the JSON is a list of changes that belong together
//
// A record that the end of the process cut off was never answered for, and is left out.
import crypto from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { createRequire } from "node:module";

const azurite = createRequire(process.argv[1]);
const Loki = azurite("lokijs");
const LokiCollection = Loki.Collection;
const SMALLEST_TO_COMPACT = 32 * 1024 * 1024;
const LOOK_EVERY_MS = 5_000;
const LONGEST_TRANSACTION_MS = 5_000;
const journals = new Set();

class Journal {
  constructor(file) {
    this.file = file;
    this.number = 0;
    this.fd = null;
    this.length = 0; // bytes in this journal
    this.base = 0; // bytes of the index that it goes on from
    this.pending = []; // changes that are not written yet
    this.noted = 0; // how many changes there were,
    this.durable = 0; // and how many of them are on the disk
    this.waiting = [];
    this.transaction = null; // since when changes are kept together
    this.flushing = false;
    journals.add(this);
  }

  note(change) {
    if (this.fd === null) return; // not begun: the index is about to be written whole
    this.pending.push(JSON.stringify(change)); // now, for the document may change again
    this.noted++;
    if (this.pending.length === 1) setImmediate(() => this.flush());
  }

  /** Changes from here on are one record. */
  begin() {
    this.transaction = Date.now();
    setTimeout(() => this.flush(), LONGEST_TRANSACTION_MS + 1).unref(); // one that is never ended must not stop everything
  }

  end() {
    this.transaction = null;
    this.flush();
  }

  get isOpen() {
    return this.transaction !== null && Date.now() - this.transaction <= LONGEST_TRANSACTION_MS;
  }

  /** Resolves when all that was noted so far is on the disk; null where it is. */
  settled() {
    const target = this.noted;
    return this.durable >= target ? null : new Promise((resolve) => this.waiting.push({ target, resolve }));
  }

  flush() {
    if (this.flushing || this.pending.length === 0 || this.isOpen) return;
    const bytes = Buffer.from(`[${this.pending.join(",")}]`, "utf8");
    const record = Buffer.concat([Buffer.from(`${bytes.length} ${checksum(bytes)} `), bytes, Buffer.from("\n")]);
    const fd = this.fd, upTo = this.noted;
    this.pending = [];
    this.length += record.length;
    this.flushing = true;
    write(fd, record, () => fs.fdatasync(fd, (error) => {
      if (error) die(error);
      this.flushing = false;
      this.durable = upTo;
      if (fd !== this.fd) fs.close(fd, () => {});
      const due = this.waiting.filter((one) => one.target <= upTo);
      this.waiting = this.waiting.filter((one) => one.target > upTo);
      this.flush();
      for (const one of due) one.resolve();
    }));
  }

  /** Another journal, from this moment on. What is pending goes into it: that the index has it already does no harm. */
  next() {
    if (this.fd !== null && !this.flushing) fs.close(this.fd, () => {});
    this.number++;
    this.fd = fs.openSync(`${this.file}.journal-${this.number}`, "w", 0o600);
    this.length = 0;
    return this.number;
  }

  /** The index is on the disk, as of the beginning of this journal. */
  forgetBefore(number) {
    for (const [other, name] of this.files()) if (other < number) fs.rmSync(name, { force: true });
  }

  files() {
    const folder = path.dirname(this.file), prefix = path.basename(this.file) + ".journal-";
    return fs.readdirSync(folder)
      .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
      .map((name) => [Number(name.slice(prefix.length)), path.join(folder, name)])
      .sort((a, b) => a[0] - b[0]);
  }

  /** Every change since the index was written, in order. */
  *read(from) {
    this.number = Math.max(this.number, from);
    for (const [number, name] of this.files()) {
      this.number = Math.max(this.number, number);
      if (number >= from) yield* readRecords(name);
    }
  }
}

function checksum(bytes) {
  return crypto.createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

function* readRecords(name) {
  const bytes = fs.readFileSync(name);
  for (let at = 0; at < bytes.length; ) {
    const record = readRecord(bytes, at);
    if (record === null) {
      // Cut off by the end of the process, or by that of the machine. What stands behind it would have been answered for.
      for (let later = bytes.indexOf(10, at); later >= 0; later = bytes.indexOf(10, later + 1)) {
        if (readRecord(bytes, later + 1) !== null) throw new Error(`${name} is damaged at byte ${at}. Bring the data folder back from a copy.`);
      }
      return;
    }
    yield* JSON.parse(record.json);
    at = record.end;
  }
}

function readRecord(bytes, at) {
  const head = /^(\d{1,10}) ([0-9a-f]{16}) /.exec(bytes.toString("latin1", at, at + 28));
  if (head === null) return null;
  const begin = at + head[0].length, end = begin + Number(head[1]);
  if (end >= bytes.length || bytes[end] !== 10) return null;
  const json = bytes.subarray(begin, end);
  return checksum(json) === head[2] ? { json: json.toString("utf8"), end: end + 1 } : null;
}

function write(fd, bytes, done) {
  fs.write(fd, bytes, 0, bytes.length, null, (error, count) => {
    if (error) die(error);
    if (count < bytes.length) write(fd, bytes.subarray(count), done);
    else done();
  });
}

// What memory knows and the disk does not must not be answered for.
function die(error) {
  console.error(`The journal cannot be written: ${error.message}`);
  process.exit(1);
}

// --- LokiJS: every change is noted. ---

const insertOne = LokiCollection.prototype.insertOne;
LokiCollection.prototype.insertOne = function (...args) {
  const inserted = insertOne.apply(this, args);
  if (inserted !== undefined) this.cloudarchive?.note(["+", this.name, inserted]);
  return inserted;
};

const update = LokiCollection.prototype.update;
LokiCollection.prototype.update = function (doc) {
  const updated = update.call(this, doc);
  if (updated !== undefined) this.cloudarchive?.note(["+", this.name, updated]); // a list calls this for each
  return updated;
};

const remove = LokiCollection.prototype.remove;
LokiCollection.prototype.remove = function (doc) {
  const id = typeof doc === "number" ? doc : doc?.$loki;
  const removed = remove.call(this, doc);
  if (id !== undefined && removed) this.cloudarchive?.note(["-", this.name, [id]]);
  return removed;
};

const removeBatchByPositions = LokiCollection.prototype.removeBatchByPositions;
LokiCollection.prototype.removeBatchByPositions = function (positions) {
  const ids = positions.map((position) => this.data[position].$loki);
  const result = removeBatchByPositions.call(this, positions);
  if (ids.length > 0) this.cloudarchive?.note(["-", this.name, ids]);
  return result;
};

const clear = LokiCollection.prototype.clear;
LokiCollection.prototype.clear = function (options) {
  this.cloudarchive?.note(["-", this.name, this.data.map((doc) => doc.$loki)]);
  return clear.call(this, options);
};

function journalOf(loki) {
  if (loki.persistenceMethod !== "fs") return null;
  if (loki.cloudarchive === undefined) Object.defineProperty(loki, "cloudarchive", { value: new Journal(loki.filename), enumerable: false });
  return loki.cloudarchive;
}

function follow(loki, collection) {
  const journal = journalOf(loki);
  if (journal !== null && collection.cloudarchive === undefined) Object.defineProperty(collection, "cloudarchive", { value: journal, enumerable: false, writable: true });
  return collection;
}

const addCollection = Loki.prototype.addCollection;
Loki.prototype.addCollection = function (name, options) {
  const known = this.collections.some((collection) => collection.name === name);
  const collection = follow(this, addCollection.call(this, name, options));
  if (!known) journalOf(this)?.note(["c", name, options ?? {}]);
  return collection;
};

const removeCollection = Loki.prototype.removeCollection;
Loki.prototype.removeCollection = function (name) {
  removeCollection.call(this, name);
  journalOf(this)?.note(["x", name]);
};

// --- LokiJS: what was noted comes back. ---

const loadJSONObject = Loki.prototype.loadJSONObject;
Loki.prototype.loadJSONObject = function (stored, options) {
  loadJSONObject.call(this, stored, options);
  const journal = journalOf(this);
  if (journal === null) return;
  this.cloudarchiveJournal = stored.cloudarchiveJournal ?? 0;
  const changed = new Map();
  for (const [what, name, value] of journal.read(this.cloudarchiveJournal)) {
    if (what === "c") this.addCollection(name, value);
    else if (what === "x") {
      changed.delete(name);
      this.removeCollection(name);
    } else {
      let docs = changed.get(name);
      if (docs === undefined) changed.set(name, (docs = new Map((this.getCollection(name)?.data ?? []).map((doc) => [doc.$loki, doc]))));
      if (what === "+") docs.set(value.$loki, value);
      else for (const id of value) docs.delete(id);
    }
  }

  for (const [name, docs] of changed) {
    const collection = this.getCollection(name);
    if (collection === null) continue; // it was removed later, and the index knows that
    const ids = [...docs.keys()].sort((a, b) => a - b);
    collection.data = ids.map((id) => docs.get(id));
    collection.maxId = Math.max(collection.maxId, ids.at(-1) ?? 0);
    collection.idIndex = null;
    collection.ensureId();
    collection.constraints.unique = {}; // made anew when it is asked for
    collection.ensureAllIndexes(true);
    collection.dirty = true;
  }
};

const saveDatabaseInternal = Loki.prototype.saveDatabaseInternal;
Loki.prototype.saveDatabaseInternal = function (callback) {
  const journal = journalOf(this);
  if (journal === null) return saveDatabaseInternal.call(this, callback);
  const number = (this.cloudarchiveJournal = journal.next());
  return saveDatabaseInternal.call(this, (error) => {
    if (error) die(error);
    journal.forgetBefore(number);
    callback?.(error);
  });
};

const FsAdapter = Object.getPrototypeOf(new Loki("unused", { persistenceMethod: "fs" }).persistenceAdapter).constructor;
FsAdapter.prototype.saveDatabase = function (name, text, callback) {
  const temporary = name + "~";
  fs.open(temporary, "w", 0o600, (openError, fd) => {
    if (openError) return callback(openError);
    const bytes = Buffer.from(text, "utf8");
    for (const journal of journals) if (journal.file === name) journal.base = bytes.length;
    write(fd, bytes, () => fs.fsync(fd, (syncError) => fs.close(fd, (closeError) => {
      if (syncError ?? closeError) callback(syncError ?? closeError);
      else fs.rename(temporary, name, callback);
    })));
  });
};

Loki.prototype.autosaveEnable = function (options, callback) {
  this.autosave = true;
  this.autosaveHandle = setInterval(() => {
    const journal = journalOf(this);
    if (journal !== null && !journal.isOpen && journal.length > Math.max(SMALLEST_TO_COMPACT, journal.base)) this.saveDatabase(callback);
  }, LOOK_EVERY_MS);
};

// --- Azurite's tables: the changes of a transaction are one record. ---

try {
  const Tables = azurite(path.join(path.dirname(process.argv[1]), "persistence", "LokiTableMetadataStore.js")).default;
  const { beginBatchTransaction, endBatchTransaction } = Tables.prototype;
  Tables.prototype.beginBatchTransaction = async function (...args) {
    await beginBatchTransaction.apply(this, args);
    journalOf(this.db)?.begin();
  };
  Tables.prototype.endBatchTransaction = async function (...args) {
    try {
      return await endBatchTransaction.apply(this, args);
    } finally {
      journalOf(this.db)?.end();
    }
  };
} catch (error) {
  if (error.code !== "MODULE_NOT_FOUND") throw error; // the blob service has no tables
}

// --- No answer to a change leaves before the change is on the disk. ---

function settled() {
  const waits = [...journals].map((journal) => journal.settled()).filter((wait) => wait !== null);
  return waits.length === 0 ? null : Promise.all(waits);
}

for (const name of ["write", "end"]) {
  const send = http.ServerResponse.prototype[name];
  http.ServerResponse.prototype[name] = function (...args) {
    const wait = this.req?.method === "GET" || this.req?.method === "HEAD" ? null : settled();
    if (wait === null && this.cloudarchiveHeld === undefined) return send.apply(this, args);
    this.cloudarchiveHeld = (this.cloudarchiveHeld ?? Promise.resolve()).then(() => wait).then(() => send.apply(this, args));
    return name === "end" ? this : true;
  };
}
