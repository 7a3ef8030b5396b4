// What every page of the portal does in the browser; restores have restore.js beside it. Every page works without it.
(() => {
  "use strict";

  // Idle log-off. The server ends the session whatever happens here; this warns a minute before, and takes the page off the screen.
  const idle = Number(document.body.dataset.idleSeconds || 0);
  const dialog = document.getElementById("idle");
  if (idle > 0 && dialog) {
    const warn = Math.min(60, idle / 2);
    let until = Date.now() + idle * 1000;
    const tick = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      if (left <= 0) {
        location.replace("/portal/sign-in?reason=idle");
        return;
      }
      if (left <= warn) {
        document.getElementById("idle-left").textContent = left === 1 ? "1 second" : left + " seconds";
        if (!dialog.open) dialog.showModal();
      }
      setTimeout(tick, 500);
    };
    tick();
    document.addEventListener("portal:alive", () => {
      until = Date.now() + idle * 1000;
      if (dialog.open) dialog.close();
    });
    const form = document.getElementById("idle-form");
    const stay = async () => {
      try {
        const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "error" });
        if (!answer.ok) throw new Error(String(answer.status));
        until = Date.now() + idle * 1000;
        if (dialog.open) dialog.close();
      } catch {
        location.replace("/portal/sign-in?reason=idle");
      }
    };
    form.addEventListener("submit", event => { event.preventDefault(); stay(); });
    dialog.addEventListener("cancel", event => { event.preventDefault(); stay(); });
  }

  // On a narrow screen, the place where one is must be among those that are seen.
  const places = document.querySelector("nav.clinic"), place = places && places.querySelector("[aria-current]");
  if (place) places.scrollLeft = place.offsetLeft - (places.clientWidth - place.offsetWidth) / 2;

  // A table that is wider than the screen is moved by keyboard too.
  const reach = () => {
    for (const table of document.querySelectorAll(".table")) {
      const wide = table.scrollWidth > table.clientWidth;
      if (wide) {
        table.tabIndex = 0;
        table.setAttribute("role", "region");
        table.setAttribute("aria-label", "Table, wider than the screen");
      } else {
        for (const name of ["tabindex", "role", "aria-label"]) table.removeAttribute(name);
      }
    }
  };
  reach();
  addEventListener("resize", reach);

  // Back from the browser's memory: what a person saw before they signed out is not shown again.
  addEventListener("pageshow", event => { if (event.persisted) location.reload(); });

  // A page that shows work under way asks again, unless somebody is about to act on it. It says that it asks by itself: that keeps no session.
  const main = document.getElementById("main");
  const stops = () => [...main.querySelectorAll("a[href], button, summary, [tabindex]")];
  const again = () => {
    const busy = main.querySelector("[data-reload-seconds]");
    if (busy) setTimeout(ask, Number(busy.dataset.reloadSeconds) * 1000);
  };
  const ask = async () => {
    const acting = () => (dialog && dialog.open) || main.querySelector("details[open], input:focus, textarea:focus, select:focus, [data-busy]");
    try {
      const answer = acting() ? null : await fetch(location.href, { headers: { "X-Portal-Refresh": "1" }, redirect: "manual" });
      if (answer && (answer.type === "opaqueredirect" || answer.status === 401)) {
        location.reload();
        return;
      }
      if (answer && answer.ok) {
        const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
        if (!acting()) {
          const stop = stops().indexOf(document.activeElement);
          main.replaceChildren(...next.childNodes);
          reach();
          document.dispatchEvent(new Event("portal:shown"));
          if (stop >= 0 && stops()[stop]) stops()[stop].focus();
        }
      }
    } catch {
      // The archive cannot be reached: the next time asks again.
    }
    again();
  };
  again();

  // A key for a restore, made here: its private half goes into a file of the person's and nowhere else.
  for (const maker of document.querySelectorAll("[data-make-key]")) {
    if (!(window.crypto && crypto.subtle)) continue;
    maker.hidden = false;
    const said = document.getElementById(maker.dataset.says);
    maker.addEventListener("click", async () => {
      maker.disabled = true;
      said.textContent = "Making a key…";
      const pair = await crypto.subtle.generateKey({ name: "RSA-OAEP", modulusLength: 3072, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" }, true, ["encrypt", "decrypt"]);
      const pem = async (format, key, label) => {
        const bytes = new Uint8Array(await crypto.subtle.exportKey(format, key));
        const text = btoa(Array.from(bytes, b => String.fromCharCode(b)).join(""));
        return `-----BEGIN ${label}-----\n${text.match(/.{1,64}/g).join("\n")}\n-----END ${label}-----\n`;
      };
      document.getElementById(maker.dataset.makeKey).value = await pem("spki", pair.publicKey, "PUBLIC KEY");
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([await pem("pkcs8", pair.privateKey, "PRIVATE KEY")], { type: "application/x-pem-file" }));
      link.download = "cloudarchive-restore.pem";
      document.body.append(link);
      link.click();
      link.remove();
      said.textContent = "Your browser saved cloudarchive-restore.pem. Keep it until the restore is done: without it nobody can open what the restore brings.";
      maker.disabled = false;
    });
  }
})();
