// Restores without a terminal: a key that never leaves this browser, and a page that fetches, opens and checks what storage has for it.
// docs/portal.md says what is kept where. Every page works without it: then there is the command line.
const IDLE = 60_000; // no byte for so long: the connection is gone
const TRIES = 5; // with 2, 4, 8 and 16 seconds between them
const TELL = 4 * 60_000; // how often the archive is told how far it is; keeps the session, whose idle time is longer
const KEPT = 61 * 24 * 3600_000; // no restore lives longer

const keys = mode => new Promise((resolve, reject) => {
  const opening = indexedDB.open("cloudarchive", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("restore-keys", { keyPath: "id" });
  opening.onerror = () => reject(opening.error);
  opening.onsuccess = () => resolve(opening.result.transaction("restore-keys", mode).objectStore("restore-keys"));
});
const asked = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
const findKey = async id => asked((await keys("readonly")).get(id));
const forgetKey = async id => asked((await keys("readwrite")).delete(id));

const size = bytes => bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : bytes < 1e9 ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
const files = number => number === 1 ? "1 file" : `${number.toLocaleString("en")} files`;

/** A key's thumbprint (RFC 7638). */
async function idOf(publicKey) {
  const { e, kty, n } = await crypto.subtle.exportKey("jwk", publicKey);
  const thumbprint = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify({ e, kty, n }))));
  return btoa(String.fromCharCode(...thumbprint)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Whether this browser keeps the private half of a public key. */
async function keeps(pem) {
  try {
    const spki = Uint8Array.from(atob(pem.replace(/-----[A-Z ]+-----|\s/g, "")), c => c.charCodeAt(0));
    return await findKey(await idOf(await crypto.subtle.importKey("spki", spki, { name: "RSA-OAEP", hash: "SHA-256" }, true, ["encrypt"]))) !== undefined;
  } catch {
    return false;
  }
}

/** Makes a key of which this browser keeps the private half, and nobody can read it out. Returns the public half as PEM. */
async function makeKey() {
  const pair = await crypto.subtle.generateKey({ name: "RSA-OAEP", modulusLength: 3072, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" }, false, ["encrypt", "decrypt"]);
  const id = await idOf(pair.publicKey), store = await keys("readwrite"), now = Date.now();
  for (const old of await asked(store.getAll())) if (now - old.madeAt > KEPT) store.delete(old.id);
  await asked(store.put({ id, privateKey: pair.privateKey, madeAt: now }));
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
  return `-----BEGIN PUBLIC KEY-----\n${btoa(String.fromCharCode(...spki)).match(/.{1,64}/g).join("\n")}\n-----END PUBLIC KEY-----\n`;
}

// --- asking for a restore ---

async function dressForm(choice) {
  if (choice.dataset.dressed) return;
  choice.dataset.dressed = "yes";
  const form = choice.closest("form"), pem = form.querySelector("[data-key-pem]"), text = pem.querySelector("textarea"), said = choice.querySelector("[role=status]");
  const here = choice.querySelector("input[value=here]"), most = Number(choice.dataset.most);
  const show = () => {
    pem.hidden = here.checked;
    text.required = !here.checked;
  };
  const mine = text.value.trim() !== "" && await keeps(text.value); // a form that came back, with the key that it was sent with
  here.checked = text.value.trim() === "" || mine;
  if (mine) form.dataset.ready = "yes";
  choice.hidden = false;
  choice.addEventListener("change", show);
  show();
  form.addEventListener("submit", async event => {
    if (!here.checked || form.dataset.ready) return;
    event.preventDefault();
    const chosen = [...form.querySelectorAll("[data-bytes]")].filter(box => box.type === "hidden" || box.checked).reduce((sum, box) => sum + Number(box.dataset.bytes), 0);
    if (chosen > most) {
      said.textContent = `What you chose is ${size(chosen)}. A browser can hold ${size(most)}: choose less, or fetch it with the command line.`;
      return;
    }
    try {
      said.textContent = "Making a key…";
      text.value = await makeKey();
      form.dataset.ready = "yes";
      form.requestSubmit(event.submitter);
    } catch {
      said.textContent = "This browser keeps no keys (a private window, perhaps). Fetch the images with the command line, or use another browser.";
      choice.querySelector("input[value=command]").checked = true;
      show();
    }
  });
}

// --- fetching what was asked for ---

class Told extends Error {}

async function dressDownload(form) {
  if (form.dataset.dressed) return;
  form.dataset.dressed = "yes";
  const key = await findKey(form.dataset.key).catch(() => undefined), card = form.closest("section"), command = card.querySelector("[data-command]");
  if (!key) return;
  command.hidden = true; // this key is this browser's alone
  if (Number(form.dataset.bytes) > Number(form.dataset.most)) {
    card.querySelector("[data-too-large]").hidden = false;
    return;
  }
  form.hidden = false;
  form.addEventListener("submit", event => {
    event.preventDefault();
    new Download(form, key.privateKey).run();
  });
}

class Download {
  #came = []; #failed = []; #damaged = new Set(); #bytes = 0; #fetched = 0; #told = Date.now();

  constructor(form, key) {
    this.form = form;
    this.key = key;
    this.bar = form.querySelector("progress");
    this.status = form.querySelector("[role=status]");
    this.button = form.querySelector("button");
    this.problems = form.querySelector("[data-problems]");
  }

  async run() {
    const { form, bar, button } = this;
    form.dataset.busy = "yes"; // the page does not renew itself meanwhile, and warns whoever leaves it
    button.disabled = true;
    bar.hidden = false;
    bar.max = Math.max(Number(form.dataset.bytes), 1);
    this.problems.replaceChildren();
    const leaving = event => event.preventDefault();
    addEventListener("beforeunload", leaving);
    try {
      const { zipOf } = await import(form.dataset.pack);
      for (let after = ""; after !== null;) after = await this.#page(after);
      const { zip, files: count, twice } = zipOf(this.#came);
      await this.#report(twice, false);
      this.#finish(zip, count);
    } catch (error) {
      this.#say(error instanceof Told ? error.message : `The download ended: ${error.message}. Press Download to begin again.`);
      button.disabled = false;
      delete form.dataset.busy;
    } finally {
      removeEventListener("beforeunload", leaving);
    }
  }

  /** A page of the result. Returns where the next one begins, or null. */
  async #page(after) {
    let page = await this.#result(after);
    for (const lost of page.failed || []) this.#fail(lost.pack, lost.files, Download.#whyNot(lost), false);
    for (const { pack } of page.items) {
      let item = page.items.find(other => other.pack === pack);
      if (item && Date.parse(item.urlExpiresAt) - Date.now() < 5 * 60_000) {
        page = await this.#result(after);
        item = page.items.find(other => other.pack === pack);
      }
      if (item) await this.#pack(item);
      else this.#fail(pack, null, "the archive does not hand it out any more; try again later", false);
      if (Date.now() - this.#told > TELL) await this.#report(0, true);
    }
    return page.next || null;
  }

  static #whyNot(lost) {
    return lost.destroyed ? "was destroyed when its time was over" : lost.passing ? "cannot be had for now; try again later" : `the archive does not have it (${lost.cause})`;
  }

  async #pack(item) {
    const wanted = item.wanted ? item.wanted.length : null; // null: all of the pack, and how many that is stands inside it
    let bytes;
    try {
      bytes = await this.#fetch(item);
    } catch (error) {
      this.#fail(item.pack, wanted, error.message, error.missing === true);
      return;
    }
    const worker = new Worker(this.form.dataset.pack, { type: "module" });
    try {
      const expected = { clinic: this.form.dataset.clinic, pack: item.pack, study: item.study, length: item.length, sha256: item.sha256, contentKey: item.contentKey, wanted: item.wanted || null };
      await new Promise((resolve, reject) => {
        worker.onerror = () => reject(new Told("This browser cannot run what opens packs. Update it, or fetch the images with the command line."));
        worker.onmessage = ({ data }) => {
          if (data.file) {
            this.#came.push(data.file);
            this.#bytes += data.file.blob.size;
          } else if (data.failed) {
            this.#fail(item.pack, 1, data.failed.message, data.failed.cause !== "too-large");
          } else {
            if (data.broken) this.#fail(item.pack, wanted, data.broken.message, data.broken.cause !== "key-unavailable");
            resolve();
          }
          this.#show();
        };
        worker.postMessage({ bytes: bytes.buffer, key: this.key, expected }, [bytes.buffer]);
      });
    } finally {
      worker.terminate(); // its memory goes with it
    }
  }

  /** What storage has. Tried again while that may help. */
  async #fetch(item) {
    if (item.length > 1.5 * 2 ** 30) throw new Error("is too large for a browser: ask for it anew, to fetch it with the command line");
    const before = this.#fetched;
    for (let n = 1; ; n++) {
      this.#fetched = before;
      const stop = new AbortController();
      let idle;
      const alive = () => {
        clearTimeout(idle);
        idle = setTimeout(() => stop.abort(), IDLE);
      };
      try {
        alive();
        const answer = await fetch(item.url, { signal: stop.signal, credentials: "omit", referrerPolicy: "no-referrer", cache: "no-store" });
        if (answer.status === 404) throw Object.assign(new Error("is not in storage"), { missing: true });
        if (!answer.ok) throw Object.assign(new Error(`storage answers ${answer.status}`), { passing: answer.status >= 500 || answer.status === 429 });
        const bytes = new Uint8Array(item.length), reader = answer.body.getReader();
        let at = 0;
        for (let part; !(part = await reader.read()).done; at += part.value.length) {
          if (at + part.value.length > bytes.length) throw Object.assign(new Error("has more bytes in storage than were committed"), { missing: true });
          bytes.set(part.value, at);
          this.#fetched += part.value.length;
          alive();
          this.#show();
        }
        if (at === bytes.length) return bytes;
        if (answer.headers.get("Content-Length") === String(at)) throw Object.assign(new Error("has fewer bytes in storage than were committed"), { missing: true });
        throw Object.assign(new Error("the connection broke"), { passing: true });
      } catch (error) {
        const passing = error.passing || error instanceof TypeError || error.name === "AbortError";
        if (!passing || n === TRIES) {
          throw passing && !error.passing ? new Error("storage cannot be reached from this browser: check the connection, or fetch with the command line") : error;
        }
        this.#say(`Storage does not answer. Trying again (${n} of ${TRIES - 1})…`);
        await new Promise(resolve => setTimeout(resolve, 1000 * 2 ** n));
      } finally {
        clearTimeout(idle);
      }
    }
  }

  async #result(after) {
    const answer = await this.#post(this.form.action, { after });
    return answer.json();
  }

  async #report(twice, partial) {
    this.#told = Date.now();
    const damaged = [...this.#damaged].slice(0, 100), failed = this.#failed.reduce((sum, fault) => sum + (fault.files ?? 1), 0);
    // Where something is missing, the restore lives on: whoever asked may come again.
    await this.#post(this.form.dataset.report, { restored: this.#came.length - twice, skipped: twice, failed, bytes: this.#bytes, partial: partial || failed > 0, damaged: damaged.join(" ") });
    document.dispatchEvent(new Event("portal:alive"));
  }

  async #post(url, fields) {
    const body = new URLSearchParams({ formToken: this.form.elements.formToken.value, ...fields });
    for (let n = 1; ; n++) {
      let answer;
      try {
        answer = await fetch(url, { method: "POST", body, redirect: "manual", headers: { Accept: "application/json" } });
      } catch {
        if (n === TRIES) throw new Told("The archive cannot be reached. Press Download when it can: nothing is lost.");
      }
      if (answer && answer.ok) return answer;
      if (answer && (answer.type === "opaqueredirect" || answer.status === 401)) throw new Told("You were signed out. Sign in again, and come back to this page.");
      if (answer && answer.status < 500 && answer.status !== 429) {
        const problem = await answer.json().catch(() => ({}));
        throw new Told(problem.detail || problem.title || `The archive answers ${answer.status}.`);
      }
      if (n === TRIES) throw new Told(`The archive answers ${answer.status}. Press Download later: nothing is lost.`);
      await new Promise(resolve => setTimeout(resolve, 1000 * 2 ** n));
    }
  }

  #fail(pack, count, why, damaged) {
    this.#failed.push({ pack, files: count, why });
    if (damaged) this.#damaged.add(pack);
    this.#show();
  }

  #show() {
    this.bar.value = Math.min(this.#fetched, this.bar.max);
    this.#say(`${size(this.#fetched)} of ${size(this.bar.max)} fetched, ${files(this.#came.length)} checked and whole.`);
  }

  #say(text) {
    this.status.textContent = text;
  }

  #finish(zip, count) {
    const { form } = this;
    this.bar.hidden = true;
    form.querySelector("p").hidden = true; // what it asks for is done
    if (count > 0) {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(zip);
      link.download = form.dataset.name;
      link.className = "button primary";
      link.textContent = "Save it again";
      link.click();
      this.button.replaceWith(link);
    }
    const whole = `${files(count)} (${size(this.#bytes)}) in ${form.dataset.name}, each byte for byte as it was archived.`;
    if (this.#failed.length === 0) {
      this.#say(`${whole} The archive was told. The key is deleted: ask anew to fetch again.`);
      forgetKey(form.dataset.key).catch(() => {});
    } else {
      this.#say(`${count > 0 ? whole + " " : ""}Not everything came. The archive was told and looks for itself; reload this page to try again.`);
      for (const fault of this.#failed) {
        const line = document.createElement("li"), code = document.createElement("code");
        code.textContent = fault.pack;
        line.append(fault.files === null ? "Pack " : `${files(fault.files)} of pack `, code, `: ${fault.why}`);
        this.problems.append(line);
      }
      this.problems.hidden = false;
    }
  }
}

const dress = () => {
  if (!(window.crypto && crypto.subtle && window.indexedDB && window.DecompressionStream && "".toWellFormed)) return;
  document.querySelectorAll("[data-key-choice]").forEach(dressForm);
  document.querySelectorAll("form[data-key]").forEach(dressDownload);
};
dress();
document.addEventListener("portal:shown", dress); // the page renewed itself
