// Opens packs in the browser: docs/formats.md in JavaScript. A worker of the page of a restore; reaches no network, keeps nothing.
// Whoever made a pack is not trusted: names, numbers and sizes are checked, and every file's SHA-256 is.
const REGION = 4 * 1024 * 1024, NONCE = 12, TAG = 16, AROUND = NONCE + TAG;
const MANIFEST = "manifest.json", MANIFEST_LENGTH = 64 * 1024 * 1024, INSTANCES = 10_000;

// A browser's buffer has 2 GiB at the most, and a file is held whole while its hash is made.
export const MOST_OF_A_FILE = 1024 * 1024 * 1024;

/** What is wrong with a pack: a cause by the names of docs/restore-tests.md, or `too-large` for a browser. */
export class PackError extends Error {
  constructor(cause, message) {
    super(message);
    this.name = "PackError";
    this.why = cause;
  }
}

const must = (holds, cause, message) => { if (!holds) throw new PackError(cause, message); };
const hex = bytes => Array.from(new Uint8Array(bytes), b => b.toString(16).padStart(2, "0")).join("");
const sha256 = async bytes => hex(await crypto.subtle.digest("SHA-256", bytes));
const view = bytes => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * The files of a pack, one by one, each whole and with the SHA-256 that it had when it was captured.
 * @param bytes What storage had. Is overwritten.
 * @param key The private key that the content key was wrapped to.
 * @param expected What the service says of the pack: clinic, pack, study, length, sha256, contentKey, wanted (or null: all).
 */
export async function* open(bytes, key, expected) {
  must(bytes.length === expected.length, "hash-mismatch", "Its length is not the one that was committed.");
  must(await sha256(bytes) === expected.sha256, "hash-mismatch", "Its SHA-256 is not the one that was committed.");
  const zip = await unseal(bytes, await unwrap(expected.contentKey, key));
  const entries = directory(zip);
  const manifest = await readManifest(zip, entries, expected);
  const wanted = expected.wanted && new Set(expected.wanted);
  for (const [i, listed] of manifest.instances.entries()) {
    const instance = listed.instance;
    if ((wanted && !wanted.delete(instance.sha256)) || instance.kind === "snapshot") continue;
    try {
      must(instance.length <= MOST_OF_A_FILE, "too-large", "It is larger than a browser can hold.");
      const filtered = listed.filter && layoutOf(listed.filter.pixels, instance.length);
      const most = filtered ? instance.length + 5 * filtered.chunks : instance.length;
      const raw = await inflate(zip, entries[i], most);
      const file = filtered ? unfilter(raw, filtered, instance.length) : raw;
      must(file.length === instance.length && await sha256(file) === instance.sha256, "hash-mismatch", "It is not, byte for byte, the file that was archived.");
      const root = manifest.roots && manifest.roots[listed.root];
      yield { entry: listed.entry, computer: root ? root.computer : null, label: root ? root.label : null, modifiedAt: Date.parse(listed.modifiedAt), sha256: instance.sha256, bytes: file, crc: crc32(file) };
    } catch (error) {
      yield { failed: error instanceof PackError ? error : new PackError("zip-invalid", String(error && error.message)) };
    }
  }
  for (const _ of wanted || []) yield { failed: new PackError("catalogue-mismatch", "The catalogue lists a file that its pack does not hold.") };
}

async function unwrap(wrapped, key) {
  let plain;
  try {
    must(wrapped.Algorithm === "RSA-OAEP-256", "key-unavailable", "Its content key is wrapped in a way that is not known here.");
    plain = new Uint8Array(await crypto.subtle.decrypt({ name: "RSA-OAEP" }, key, Uint8Array.from(atob(wrapped.EncryptedKey), c => c.charCodeAt(0))));
  } catch (error) {
    throw error instanceof PackError ? error : new PackError("key-unavailable", "Its content key was not wrapped to this browser's key.");
  }
  must(plain.length === 40 && [0x32, 0x2e, 0x30, 0, 0, 0, 0, 0].every((b, i) => plain[i] === b), "key-unavailable", "What was wrapped is no content key.");
  return crypto.subtle.importKey("raw", plain.subarray(8), "AES-GCM", false, ["decrypt"]);
}

/** The plaintext, in the place of the ciphertext. */
async function unseal(bytes, aes) {
  const regions = Math.ceil(bytes.length / (REGION + AROUND)), numbers = view(bytes);
  for (let i = 0; i < regions; i++) {
    const from = i * (REGION + AROUND), to = Math.min(from + REGION + AROUND, bytes.length);
    must(to - from > AROUND, "decrypt-failed", "A region is cut off.");
    const ours = numbers.getUint32(from) === 0 && numbers.getBigUint64(from + 4, true) === BigInt(i + 1);
    const pythons = numbers.getBigUint64(from) === 0n && numbers.getUint32(from + 8) === i;
    must(ours || pythons, "decrypt-failed", "Its regions are not in order.");
    let plain;
    try {
      plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv: bytes.subarray(from, from + NONCE), tagLength: 8 * TAG }, aes, bytes.subarray(from + NONCE, to));
    } catch {
      throw new PackError("decrypt-failed", "It does not open: altered, or sealed under another key.");
    }
    bytes.set(new Uint8Array(plain), i * REGION);
  }
  return bytes.subarray(0, bytes.length - AROUND * regions);
}

/** The ZIP's entries, in their order. */
function directory(zip) {
  const numbers = view(zip), end = zip.length - 22, names = new TextDecoder("utf-8", { fatal: true });
  const bad = "What is sealed is no ZIP that can be read here.";
  try {
    must(end >= 0 && numbers.getUint32(end, true) === 0x06054b50, "zip-invalid", bad);
    const count = numbers.getUint16(end + 10, true), start = numbers.getUint32(end + 16, true);
    must(count <= INSTANCES + 1 && start + numbers.getUint32(end + 12, true) === end, "zip-invalid", bad);
    const entries = [];
    for (let at = start, i = 0; i < count; i++) {
      must(numbers.getUint32(at, true) === 0x02014b50, "zip-invalid", bad);
      const name = numbers.getUint16(at + 28, true), local = numbers.getUint32(at + 42, true), packed = numbers.getUint32(at + 20, true);
      must(numbers.getUint32(local, true) === 0x04034b50, "zip-invalid", bad);
      const data = local + 30 + numbers.getUint16(local + 26, true) + numbers.getUint16(local + 28, true);
      must(data + packed <= start, "zip-invalid", bad);
      entries.push({ name: names.decode(zip.subarray(at + 46, at + 46 + name)), method: numbers.getUint16(at + 10, true), length: numbers.getUint32(at + 24, true), data, packed });
      at += 46 + name + numbers.getUint16(at + 30, true) + numbers.getUint16(at + 32, true);
    }
    return entries;
  } catch (error) {
    throw error instanceof PackError ? error : new PackError("zip-invalid", bad); // beyond the end, or a name that is not UTF-8
  }
}

async function readManifest(zip, entries, expected) {
  const last = entries.at(-1);
  must(last && last.name === MANIFEST && last.length <= MANIFEST_LENGTH, "zip-invalid", "The manifest is not the last entry, or too large.");
  let manifest;
  try {
    manifest = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await inflate(zip, last, MANIFEST_LENGTH)));
  } catch (error) {
    throw error instanceof PackError ? error : new PackError("zip-invalid", "The manifest is not JSON.");
  }
  const format = manifest && /^cloudarchive\/manifest\/([12])$/.exec(manifest.format);
  must(format, "zip-invalid", "The manifest is of a format that is not known here: use a newer CloudArchive.");
  must(manifest.clinic === expected.clinic && manifest.pack === expected.pack, "catalogue-mismatch", "This is another pack than its name says.");
  must(manifest.study === expected.study, "catalogue-mismatch", "The manifest is of another study.");
  must(Array.isArray(manifest.instances) && manifest.instances.length === entries.length - 1 && entries.length > 1, "zip-invalid", "The manifest lists another number of files than the ZIP has.");
  const names = new Names();
  for (const [i, listed] of manifest.instances.entries()) {
    const instance = listed.instance, filter = listed.filter;
    must(typeof listed.entry === "string" && names.isSafe(listed.entry) && names.take(listed.entry), "zip-invalid", `The manifest has an unsafe or repeated name in entry ${i}.`);
    must(instance && Number.isSafeInteger(instance.length) && instance.length >= 0 && /^[0-9a-f]{64}$/.test(instance.sha256), "zip-invalid", `The manifest says nothing of entry ${i}.`);
    must(!filter || (format[1] === "2" && filter.name === "f1"), "zip-invalid", "A file is filtered in a way that is not known here: use a newer CloudArchive.");
    must(entries[i].name === (filter ? listed.entry + ".f1" : listed.entry) && (filter || entries[i].length === instance.length), "zip-invalid", `The manifest differs from the ZIP in entry ${i}.`);
    must(listed.root === undefined || (Array.isArray(manifest.roots) && manifest.roots[listed.root]), "zip-invalid", `The manifest names a folder that it does not have in entry ${i}.`);
  }
  return manifest;
}

async function inflate(zip, entry, most) {
  must(entry.length <= most, "zip-invalid", "An entry has more bytes than the manifest says.");
  const packed = zip.subarray(entry.data, entry.data + entry.packed);
  if (entry.method === 0) {
    must(packed.length === entry.length, "zip-invalid", "An entry is longer or shorter than the ZIP says.");
    return packed;
  }
  must(entry.method === 8, "zip-invalid", "An entry is compressed in a way that is not known here.");
  const stream = new DecompressionStream("deflate-raw"), writer = stream.writable.getWriter(), reader = stream.readable.getReader();
  const written = Promise.all([writer.write(packed), writer.close()]).catch(() => {}); // the reader tells
  const out = new Uint8Array(entry.length);
  let at = 0;
  try {
    for (let part; !(part = await reader.read()).done; at += part.value.length) {
      must(at + part.value.length <= out.length, "zip-invalid", "An entry has more bytes than the ZIP says.");
      out.set(part.value, at);
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    throw error instanceof PackError ? error : new PackError("zip-invalid", "An entry does not inflate.");
  }
  await written;
  must(at === out.length, "zip-invalid", "An entry has fewer bytes than the ZIP says.");
  return out;
}

// --- the pixel filter f1 ---

/** A layout as the manifest has it, checked, and with what follows from it. */
export function layoutOf(pixels, length) {
  const { offset, length: value, rows, columns, samplesPerPixel, bitsAllocated, planarConfiguration, bigEndian } = pixels || {};
  const whole = (number, least, most) => Number.isSafeInteger(number) && number >= least && number <= most;
  must(whole(offset, 0, length) && whole(value, 1, length - offset) && whole(rows, 1, 65535) && whole(columns, 1, 65535) && whole(samplesPerPixel, 1, 4)
    && (bitsAllocated === 8 || bitsAllocated === 16) && (planarConfiguration === 0 || planarConfiguration === 1) && (samplesPerPixel > 1 || planarConfiguration === 0),
  "zip-invalid", "What the manifest says of a file's pixels describes none.");
  const step = planarConfiguration === 0 ? samplesPerPixel : 1, size = bitsAllocated / 8, width = columns * step, height = rows * (samplesPerPixel / step);
  const frame = width * height * size, frames = Math.floor(value / frame);
  must(frames > 0, "zip-invalid", "What the manifest says of a file's pixels describes none.");
  const many = frames > 1 && frame <= 2 ** 21, framesOfChunk = Math.floor(2 ** 22 / frame), band = Math.ceil(height / Math.min(Math.ceil(frame / 2 ** 20), height));
  return {
    offset, step, size, width, height, rows: frames * height, bigEndian: bigEndian === true, canDiffer: samplesPerPixel === 3 && step === 3,
    chunks: many ? Math.ceil(frames / framesOfChunk) : frames * Math.ceil(height / band),
    rowsAt: row => many ? Math.min(framesOfChunk * height, frames * height - row) : Math.min(band, height - row % height),
  };
}

/** The original file, of the bytes that an entry *.f1 gave. */
export function unfilter(data, layout, length) {
  const enough = holds => must(holds, "zip-invalid", "The filtered bytes end too early, or too late.");
  enough(layout.offset <= data.length);
  const out = new Uint8Array(length);
  out.set(data.subarray(0, layout.offset));
  let from = layout.offset, to = layout.offset;
  for (let row = 0; row < layout.rows;) {
    const count = layout.rowsAt(row), chunk = count * layout.width * layout.size;
    enough(from + 5 <= data.length);
    const mode = data[from], payload = view(data).getUint32(from + 1, true);
    from += 5;
    enough(payload <= chunk && from + payload <= data.length);
    const body = data.subarray(from, from + payload);
    if (mode === 0) {
      enough(payload === chunk);
      out.set(body, to);
    } else {
      predict(residualsOf(body, count * layout.width, 8 * layout.size), count, mode, layout, out, to);
    }
    from += payload;
    to += chunk;
    row += count;
  }
  enough(data.length - from === length - to);
  out.set(data.subarray(from), to);
  return out;
}

function residualsOf(body, total, bits) {
  const enough = holds => must(holds, "zip-invalid", "A record of filtered pixels ends too early.");
  enough(body.length >= 4);
  const ones = 4 + view(body).getUint32(0, true), residuals = new Uint16Array(total);
  enough(ones <= body.length);
  let low = 4, at = ones, word = 0, left = 0;
  const zeros = () => {
    for (let n = 0; ;) {
      if (word === 0) {
        n += left;
        enough(at < body.length);
        word = body[at++];
        left = 8;
      } else {
        const run = 31 - Math.clz32(word & -word);
        word >>>= run + 1;
        left -= run + 1;
        return n + run;
      }
    }
  };
  for (let p = 0, i = 0; i < total; i += 16) {
    const change = zeros();
    p += change >>> 1 ^ -(change & 1);
    must(p >= 0 && p <= bits + 1, "zip-invalid", "A record of filtered pixels has a parameter that there is not.");
    const k = Math.max(p - 1, 0), mask = (1 << k) - 1, quotients = p > 0 && p <= bits;
    enough(low + 2 * k <= ones);
    for (let j = 0, bag = 0, filled = 0; j < 16; j++) {
      while (filled < k) {
        bag |= body[low++] << filled;
        filled += 8;
      }
      const value = (quotients ? zeros() << k : 0) | bag & mask;
      bag >>>= k;
      filled -= k;
      if (i + j < total) residuals[i + j] = value >>> 1 ^ -(value & 1);
    }
  }
  return residuals;
}

function predict(residuals, count, mode, layout, out, to) {
  const { width, height, step, size, bigEndian } = layout, full = size === 1 ? 0xff : 0xffff, half = full + 1 >> 1;
  const kind = mode & 7, subtracts = mode & 8, mixes = mode & 16, signed = mode & 32, colours = mode & 64;
  must(mode & 128 && kind <= 3 && !(subtracts && mixes) && (!colours || layout.canDiffer), "zip-invalid", "A record of filtered pixels has a mode that there is not.");
  const values = residuals; // each is read before it is written
  let above = new Uint16Array(width), line = new Uint16Array(width);
  for (let y = 0; y < count; y++) {
    const first = y % height === 0, row = y * width, before = (subtracts || mixes) && y >= height ? row - height * width : -1;
    for (let x = 0; x < width; x++) {
      const b = first ? 0 : above[x], isLeft = x < step, a = isLeft ? b : line[x - step];
      let guess;
      if (kind === 0 && before >= 0) {
        guess = half;
      } else if (kind === 1 || first) {
        guess = a;
      } else if (kind === 3) {
        guess = a + (b + (x + step < width ? above[x + step] : b) >> 1) >> 1;
      } else {
        const c = isLeft ? b : above[x - step], most = a > b ? a : b, least = a > b ? b : a;
        guess = c >= most ? least : c <= least ? most : a + b - c;
      }
      if (mixes && before >= 0) guess = guess + values[before + x] >> 1;
      line[x] = guess + residuals[row + x] & full;
    }
    for (let x = 0; x < width; x++) values[row + x] = subtracts && before >= 0 ? (line[x] ^ half) + values[before + x] & full : line[x];
    [above, line] = [line, above];
  }
  const flip = signed ? half : 0;
  for (let i = 0; i < values.length; i++) {
    let v = values[i] ^ flip;
    if (colours && i % 3 !== 1) v = (v ^ half) + (values[i - i % 3 + 1] ^ flip) & full; // a row has whole pixels, so that places count on
    if (size === 1) {
      out[to + i] = v;
    } else {
      out[to + 2 * i] = bigEndian ? v >> 8 : v;
      out[to + 2 * i + 1] = bigEndian ? v : v >> 8;
    }
  }
}

// --- a ZIP for people ---

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let i = 0; i < 8; i++) n = n & 1 ? n >>> 1 ^ 0xedb88320 : n >>> 1;
  return n;
});

export function crc32(bytes) {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = CRC[(crc ^ bytes[i]) & 255] ^ crc >>> 8;
  return (crc ^ -1) >>> 0;
}

/** Names that every file system takes, each once whatever its case: EntryNames in C#. */
export class Names {
  #files = new Set([Names.#fold(MANIFEST)]);
  #folders = new Set();

  isSafe(name) {
    return new TextEncoder().encode(name).length <= 1024 && name.split("/").every(part => part !== "" && part === Names.safe(part));
  }

  /** A part of a name, made safe. */
  static safe(part) {
    const clean = part.toWellFormed().replace(/[\u0000-\u001f\u007f-\u009f\ufffd"*:<>?\\|/]/g, "_").replace(/[. ]$/, "_");
    return /^(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9\u00b9\u00b2\u00b3]) *(\.|$)/i.test(clean) ? "_" + clean : clean;
  }

  /** What two names must differ in: upper case, letter by letter, as .NET's ordinal comparison has it. "ß" is not "SS", the sign for kelvin no "k", "ı" no "I". */
  static #fold(name) {
    return Array.from(name, letter => {
      const upper = letter.toUpperCase();
      return upper.length === letter.length && (upper > "\x7f" || letter <= "\x7f") ? upper : letter;
    }).join("");
  }

  /** Takes a name. False: it meets one that was taken before. */
  take(name) {
    const folded = Names.#fold(name), parts = folded.split("/"), folders = parts.slice(0, -1).map((_, i) => parts.slice(0, i + 1).join("/"));
    if (this.#files.has(folded) || this.#folders.has(folded) || folders.some(folder => this.#files.has(folder))) return false;
    folders.forEach(folder => this.#folders.add(folder));
    this.#files.add(folded);
    return true;
  }

  /** Takes a name, or the next one that is free. */
  add(name) {
    for (let n = 1; ; n++) {
      const candidate = n === 1 ? name : name.replace(/(\.[^./]{1,15})?$/, extension => `~${n}${extension}`);
      if (this.take(candidate)) return candidate;
    }
  }
}

/**
 * A ZIP of files that lie in blobs: stored, names in UTF-8, ZIP64 beyond 4 GiB. What is there twice under one name is there once.
 * @param files As `open` gave them, with `blob` in the place of `bytes`.
 */
export function zipOf(files) {
  const several = new Set(files.map(file => JSON.stringify([file.computer, file.label]))).size > 1;
  const place = file => several && file.label !== null ? `${Names.safe(file.computer)}/${Names.safe(file.label)}/${file.entry}` : file.entry;
  const names = new Names(), known = new Set(), parts = [], central = [], utf8 = new TextEncoder();
  let at = 0, count = 0, directory = 0;
  const numbers = (length, fill) => {
    const bytes = new Uint8Array(length);
    fill(view(bytes));
    return bytes;
  };
  for (const file of files) {
    const wanted = place(file), same = `${file.sha256}/${wanted}`;
    if (known.has(same)) continue;
    known.add(same);
    const name = utf8.encode(names.add(wanted)), time = new Date(file.modifiedAt), year = Math.min(Math.max(time.getUTCFullYear(), 1980), 2107);
    const seconds = Math.floor(file.modifiedAt / 1000), fits = seconds > -(2 ** 31) && seconds < 2 ** 31; // what the extended timestamp holds
    const far = at >= 0xffffffff;
    const common = (v, from) => {
      v.setUint16(from, far ? 45 : 20, true);
      v.setUint16(from + 2, 0x0800, true);
      v.setUint16(from + 6, time.getUTCHours() << 11 | time.getUTCMinutes() << 5 | time.getUTCSeconds() >> 1, true);
      v.setUint16(from + 8, year - 1980 << 9 | time.getUTCMonth() + 1 << 5 | time.getUTCDate(), true);
      v.setUint32(from + 10, file.crc, true);
      v.setUint32(from + 14, file.blob.size, true);
      v.setUint32(from + 18, file.blob.size, true);
      v.setUint16(from + 22, name.length, true);
    };
    const extra = numbers(fits ? 9 : 0, v => {
      if (!fits) return;
      v.setUint16(0, 0x5455, true);
      v.setUint16(2, 5, true);
      v.setUint8(4, 1);
      v.setInt32(5, seconds, true);
    });
    const farExtra = numbers(far ? 12 : 0, v => {
      if (!far) return;
      v.setUint16(0, 1, true);
      v.setUint16(2, 8, true);
      v.setBigUint64(4, BigInt(at), true);
    });
    const local = numbers(30, v => {
      v.setUint32(0, 0x04034b50, true);
      common(v, 4);
      v.setUint16(28, extra.length, true);
    });
    central.push(numbers(46, v => {
      v.setUint32(0, 0x02014b50, true);
      v.setUint16(4, 0x031e, true);
      common(v, 6);
      v.setUint16(30, extra.length + farExtra.length, true);
      v.setUint32(38, 0o100644 * 65536, true);
      v.setUint32(42, far ? 0xffffffff : at, true);
    }), name, extra, farExtra);
    directory += 46 + name.length + extra.length + farExtra.length;
    parts.push(local, name, extra, file.blob);
    at += 30 + name.length + extra.length + file.blob.size;
    count++;
  }
  const far = at >= 0xffffffff || count >= 0xffff;
  const far64 = numbers(far ? 76 : 0, v => {
    if (!far) return;
    v.setUint32(0, 0x06064b50, true);
    v.setBigUint64(4, 44n, true);
    v.setUint16(12, 45, true);
    v.setUint16(14, 45, true);
    v.setBigUint64(24, BigInt(count), true);
    v.setBigUint64(32, BigInt(count), true);
    v.setBigUint64(40, BigInt(directory), true);
    v.setBigUint64(48, BigInt(at), true);
    v.setUint32(56, 0x07064b50, true);
    v.setBigUint64(64, BigInt(at + directory), true);
    v.setUint32(72, 1, true);
  });
  const end = numbers(22, v => {
    v.setUint32(0, 0x06054b50, true);
    v.setUint16(8, far ? 0xffff : count, true);
    v.setUint16(10, far ? 0xffff : count, true);
    v.setUint32(12, directory, true);
    v.setUint32(16, far ? 0xffffffff : at, true);
  });
  return { zip: new Blob([...parts, ...central, far64, end], { type: "application/zip" }), files: count, twice: files.length - count };
}

// --- as a worker: a pack in, its files out ---

if (typeof WorkerGlobalScope !== "undefined") {
  onmessage = async ({ data: { bytes, key, expected } }) => {
    try {
      for await (const { bytes: file, failed, ...rest } of open(new Uint8Array(bytes), key, expected)) {
        postMessage(failed ? { failed: { cause: failed.why, message: failed.message } } : { file: { ...rest, blob: new Blob([file]) } });
      }
      postMessage({ done: true });
    } catch (error) {
      postMessage({ done: true, broken: { cause: error instanceof PackError ? error.why : "decrypt-failed", message: error.message } });
    }
  };
}
