// Berth's own script. Pages work without it; it adds what HTML cannot do alone: times that stay true, the palette,
// shortcuts, copying, the log panel, rows of variables, and word of a lost connection. No inline code, no eval.
(() => {
  "use strict";
  const $ = (sel, root = document) => root.querySelector(sel);
  const $$ = (sel, root = document) => [...root.querySelectorAll(sel)];
  const say = (text) => { const el = $("#announce"); if (el) { el.textContent = ""; el.textContent = text; } };

  // Swaps keep what the reader did: an opened row stays open, a typed value stays typed.
  if (window.Idiomorph) {
    Idiomorph.defaults.ignoreActiveValue = true;
    Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, el) => !(el.localName === "details" && (name === "data-touched" || (name === "open" && (el.dataset.touched || el.matches(".menu")))));
  }

  // ---- times -------------------------------------------------------------------------------------------------
  const pad = (n) => String(n).padStart(2, "0");
  const duration = (s) => {
    s = Math.max(0, Math.round(s));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${pad(s % 60)} s`;
    return `${Math.floor(s / 3600)} h ${pad(Math.floor((s % 3600) / 60))} min`;
  };
  const relative = (s) => {
    const d = Math.abs(s);
    if (d < 10) return "just now";
    const words = d < 60 ? `${Math.floor(d)} s` : d < 3600 ? `${Math.floor(d / 60)} min` : d < 86400 ? `${Math.floor(d / 3600)} h` : `${Math.floor(d / 86400)} d`;
    return s < 0 ? `in ${words}` : `${words} ago`;
  };
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const set = (el, text) => { if (el.textContent !== text) el.textContent = text; };
  // The reader's clock may be wrong; what counts is the server's, sent with the page.
  const skew = Date.parse($("meta[name=server-time]")?.content || "") - Date.now() || 0;
  const tick = () => {
    const now = Date.now() + skew;
    for (const el of $$("time[datetime]")) {
      const at = Date.parse(el.dateTime), age = (now - at) / 1000;
      set(el, el.hasAttribute("data-elapsed") ? duration(age) : relative(age));
      if (!el.dataset.exact) { el.dataset.exact = "1"; el.title = exact.format(at); }
    }
  };
  setInterval(tick, 1000);

  // ---- copy, theme, menus, dialogs ---------------------------------------------------------------------------
  const copy = async (button) => {
    const text = button.dataset.copy;
    try { await navigator.clipboard.writeText(text); } catch {
      const area = document.createElement("textarea");
      area.value = text; document.body.append(area); area.select(); document.execCommand("copy"); area.remove();
    }
    button.classList.add("copied"); say("Copied");
    setTimeout(() => button.classList.remove("copied"), 1200);
  };
  const theme = (value) => {
    document.cookie = `theme=${value};path=/;max-age=31536000;samesite=lax`;
    if (value) document.documentElement.dataset.theme = value; else delete document.documentElement.dataset.theme;
    for (const b of $$("[data-theme-set]")) b.setAttribute("aria-pressed", String(b.value === value));
  };
  const openDialog = (id) => {
    const dialog = document.getElementById(id);
    if (dialog?.localName !== "dialog") return false;
    for (const m of $$("details.menu[open]")) m.open = false;
    if (!dialog.open) dialog.showModal();
    const field = $("input:not([type=hidden])", dialog);
    if (field) { field.focus(); field.select(); }
    return true;
  };

  document.addEventListener("click", (e) => {
    for (const m of $$("details.menu[open]")) if (!m.contains(e.target)) m.open = false;
    const summary = e.target.closest("summary");
    if (summary) summary.parentElement.dataset.touched = "1"; // from now on the reader decides
    const el = e.target.closest("[data-copy],[data-theme-set],[data-dialog],[data-close],[data-log],[data-add-variable],[data-edit-variable],[data-drop-variable],[data-discard]");
    if (!el) { if (e.target.localName === "dialog") e.target.close(); return; }
    const d = el.dataset;
    if ("copy" in d) copy(el);
    else if ("themeSet" in d) { e.preventDefault(); theme(el.value); }
    else if ("dialog" in d) { if (openDialog(d.dialog)) e.preventDefault(); }
    else if ("close" in d) el.closest("dialog").close();
    else if ("log" in d) logAction(d.log, el);
    else if ("discard" in d) changed = false;
    else if ("addVariable" in d) { e.preventDefault(); addVariable(); }
    else if ("editVariable" in d) { foldAll(); unfold(el.closest("[data-row]")); }
    else if ("dropVariable" in d) { el.closest("[data-row]").remove(); dirty(); changed = Boolean($("[data-row]")); $("[data-add-variable]")?.focus(); }
  });
  // A table scrolls sideways and would cut off a menu in it, so such a menu is placed on the window instead.
  const place = (menu) => {
    const panel = $(".menu-panel", menu), at = menu.getBoundingClientRect();
    panel.style.position = "fixed";
    panel.style.right = `${document.documentElement.clientWidth - at.right}px`;
    panel.style.top = at.bottom + panel.offsetHeight + 8 > innerHeight ? `${at.top - panel.offsetHeight - 8}px` : `${at.bottom}px`;
  };
  const rowMenus = ".row-actions details.menu[open]";
  document.addEventListener("toggle", (e) => { if (e.target.matches?.(rowMenus)) place(e.target); }, true);
  document.addEventListener("scroll", () => { for (const m of $$(rowMenus)) place(m); }, { capture: true, passive: true });
  // A destroy is confirmed by typing the name; the button says so by being pressable only then.
  document.addEventListener("input", (e) => {
    const want = e.target.dataset.confirm;
    if (want !== undefined) $("button[type=submit]", e.target.form).disabled = e.target.value !== want;
    if (e.target.id === "log-search") logFind();
    if (e.target.dataset.narrow) for (const li of document.getElementById(e.target.dataset.narrow).children) li.hidden = !li.textContent.toLowerCase().includes(e.target.value.trim().toLowerCase());
    if (e.target.closest("[data-inputs]")) { changed = true; dirty(); }
    if (isLive(e.target)) liveSoon(e.target, "typed", 250);
    else if (e.target.getAttribute("aria-invalid") === "true" && e.target.validity.valid) showError(e.target, "");
  });
  const armConfirm = () => { for (const f of $$("[data-confirm]")) $("button[type=submit]", f.form).disabled = f.value !== f.dataset.confirm; };

  // ---- fields: checked on leaving and on submit ---------------------------------------------------------------
  const message = (el) => {
    const v = el.validity, label = el.labels?.[0]?.textContent.trim() || "This field";
    if (v.valid) return "";
    if (v.valueMissing) return `Enter ${el.dataset.article || ""}${label.toLowerCase()}.`;
    return el.dataset.patternHelp || el.validationMessage;
  };
  const showError = (el, text) => {
    const box = document.getElementById(`${el.id}-error`);
    if (!box) return;
    el.setAttribute("aria-invalid", String(text !== ""));
    $("span", box).textContent = text;
    box.hidden = text === "";
  };
  // While the pointer is down, nothing may move under it: a press that ends beside its button would be lost.
  let down = false;
  document.addEventListener("pointerdown", () => { down = true; }, true);
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => { down = false; }, true);
  document.addEventListener("focusout", (e) => {
    const el = e.target;
    if (down) { document.addEventListener("pointerup", () => setTimeout(leave, 0, el), { once: true }); return; }
    leave(el);
  });
  const leave = (el) => {
    if (isLive(el)) { liveSoon(el, "left", 0); if (!el.id.startsWith("var-")) return; }
    if (el.isConnected && el.willValidate && el.form?.hasAttribute("data-check") && (el.value !== "" || el.getAttribute("aria-invalid") === "true")) showError(el, message(el));
  };
  document.addEventListener("submit", (e) => {
    const form = e.target;
    if (form.hasAttribute("data-check") && !e.submitter?.formNoValidate) {
      let first;
      for (const el of form.elements) {
        if (!el.willValidate) continue;
        const text = message(el);
        showError(el, text);
        if (text && !first) first = el;
      }
      if (first) {
        e.preventDefault(); e.stopImmediatePropagation();
        first.closest("details")?.setAttribute("open", "");
        const row = first.closest("[data-row]");
        if (row) { foldAll(row); unfold(row); }
        first.focus();
        return;
      }
    }
    if (form.method === "post") {
      if (form.dataset.sent) { e.preventDefault(); return; } // a double press is one press
      form.dataset.sent = "1";
      setTimeout(() => { delete form.dataset.sent; }, 4000);
    }
  }, true);
  const armForms = () => { for (const f of $$("form[data-check]")) f.noValidate = true; };

  // ---- cells that answers replace while a form is filled in: one that was typed into since it was sent stays ---------
  let lastValue = null;
  document.addEventListener("focusin", (e) => { if (e.target.matches("[name$='.value']")) lastValue = e.target; });
  document.addEventListener("input", (e) => { e.target.closest("[data-live-cell]")?.setAttribute("data-typed", ""); });
  document.addEventListener("htmx:beforeRequest", (e) => { if (e.target.matches("[data-watch]")) for (const c of $$("[data-typed]")) c.removeAttribute("data-typed"); });
  document.addEventListener("htmx:oobBeforeSwap", (e) => { if (e.detail.target.hasAttribute("data-typed")) e.preventDefault(); });
  document.addEventListener("click", (e) => {
    const b = e.target.closest("[data-insert]"), el = b && lastValue && (lastValue.isConnected ? lastValue : document.getElementById(lastValue.id));
    if (!el) return;
    el.setRangeText(b.dataset.insert, el.selectionStart, el.selectionEnd, "end");
    el.focus();
    el.dispatchEvent(new Event("input", { bubbles: true }));
    el.dispatchEvent(new Event("change", { bubbles: true }));
  });

  // ---- inputs: the server says what is wrong while they are filled in; only errors change, never a field -----------
  const liveID = /^(f-in\.|f-edit\.|var-)/, touched = new Map(); // id of a field: "typed" or "left"
  const isLive = (el) => Boolean(el.form?.dataset.live) && liveID.test(el.id) && el.localName !== "button";
  let liveTimer = 0, liveTurn = 0;
  const liveSoon = (el, how, delay) => {
    const id = el.closest("[data-choices]")?.dataset.choices || el.id;
    if (touched.get(id) !== "left") touched.set(id, how);
    clearTimeout(liveTimer);
    liveTimer = setTimeout(liveCheck, delay, el.form);
  };
  const liveCheck = async (form) => {
    const turn = ++liveTurn;
    let errors;
    try {
      const answer = await fetch(form.dataset.live, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      if (!answer.ok) return;
      errors = await answer.json();
    } catch { return; } // the form is checked when it is sent as well
    if (turn !== liveTurn) return;
    for (const box of $$(".error[id]", form)) {
      const id = box.id.slice(0, -"-error".length), el = document.getElementById(id), e = errors[id];
      if (!el || !liveID.test(id)) continue;
      if (!e) { if (!box.hidden && el.validity?.valid !== false) showError(el, ""); continue; }
      const how = [...touched].filter(([t]) => t === id || t.startsWith(`${id}.`) || t.startsWith(`${id}[`)).map(([, h]) => h);
      if (!box.hidden || how.includes("left") || (how.length && !e.missing)) showError(el, e.text);
    }
  };
  // Rows were added or removed: go on where the server says.
  document.addEventListener("htmx:afterSettle", () => {
    const next = $("[data-block] [autofocus]");
    if (next) { next.removeAttribute("autofocus"); next.focus(); if (next.form) { dirty(); liveTimer = setTimeout(liveCheck, 0, next.form); } }
  });

  // ---- variables: one open row at a time, the earlier ones folded to a line ------------------------------------
  const fields = (row) => ({ name: $("[data-f=name]", row), type: $("[data-f=type]", row), value: $("[data-f=value]", row) });
  const fold = (row) => {
    const f = fields(row);
    if (f.name.value === "") { row.remove(); return; }
    $("[data-s=name]", row).textContent = f.name.value;
    $("[data-s=type]", row).textContent = f.type.selectedOptions[0].textContent;
    $("[data-s=value]", row).textContent = f.value.value;
    $("[data-open]", row).hidden = true; $("[data-folded]", row).hidden = false;
  };
  const unfold = (row) => { $("[data-open]", row).hidden = false; $("[data-folded]", row).hidden = true; $("[data-f=name]", row).focus(); };
  const foldAll = (except) => { for (const row of $$("[data-row]")) if (row !== except && !$("[data-open]", row).hidden) fold(row); };
  const dirty = () => { const bar = $("[data-save-bar]"); if (bar) bar.hidden = !$("[data-row]") && !$("[data-inputs] [data-editing]"); };
  const addVariable = () => {
    const list = $("[data-rows]"), open = $$("[data-row]").find((r) => !$("[data-open]", r).hidden);
    if (open) {
      const f = fields(open), text = message(f.name);
      if (text) { showError(f.name, text); f.name.focus(); return; }
      fold(open);
    }
    const n = Number(list.dataset.next || list.children.length);
    list.dataset.next = n + 1;
    const html = $("#variable-row").innerHTML.replaceAll("__n__", n);
    list.insertAdjacentHTML("beforeend", html);
    dirty(); unfold(list.lastElementChild);
    list.lastElementChild.scrollIntoView({ block: "nearest" });
  };
  let changed = false; // by the reader, since the page came
  window.addEventListener("beforeunload", (e) => { if (changed && !$("[data-inputs]")?.dataset.sent) e.preventDefault(); });

  // ---- log panel ---------------------------------------------------------------------------------------------
  let follow = true, hits = [], hit = -1;
  const logBody = () => $("#log-body");
  const setFollow = (on) => {
    follow = on;
    const b = $("[data-log=follow]");
    if (b) b.setAttribute("aria-pressed", String(on));
    if (on && logBody()) logBody().scrollTop = logBody().scrollHeight;
  };
  const logFind = (step = 0) => {
    const q = $("#log-search").value.toLowerCase();
    for (const el of hits) el.classList.remove("hit");
    hits = q ? $$(".log-line").filter((l) => l.lastElementChild.textContent.toLowerCase().includes(q)) : [];
    hit = hits.length ? (step ? (hit + step + hits.length) % hits.length : 0) : -1;
    set($("#log-hits"), q ? `${hit + 1} of ${hits.length}` : "");
    if (hit >= 0) { setFollow(false); hits[hit].classList.add("hit"); hits[hit].scrollIntoView({ block: "center" }); }
  };
  const logAction = (what, el) => {
    if (what === "follow") { setFollow(!follow); return; }
    const on = el.getAttribute("aria-pressed") !== "true";
    el.setAttribute("aria-pressed", String(on));
    logBody().classList.toggle(`log-${what}`, on);
    if (follow) setFollow(true);
  };
  const armLog = () => {
    const body = logBody();
    if (!body || body.dataset.armed) return;
    body.dataset.armed = "1";
    body.addEventListener("scroll", () => {
      const end = body.scrollHeight - body.scrollTop - body.clientHeight < 24;
      if (end !== follow) { follow = end; $("[data-log=follow]")?.setAttribute("aria-pressed", String(end)); }
    }, { passive: true });
    new MutationObserver(() => { if (follow) body.scrollTop = body.scrollHeight; }).observe(body, { childList: true, subtree: true });
    if (location.hash.startsWith("#L")) { follow = false; $(location.hash)?.scrollIntoView({ block: "center" }); } else setFollow(true);
  };

  // ---- palette and shortcuts -----------------------------------------------------------------------------------
  const options = () => $$("#palette [role=option]");
  const choose = (i) => {
    const all = options();
    if (!all.length) return;
    const at = (i + all.length) % all.length;
    all.forEach((o, n) => o.setAttribute("aria-selected", String(n === at)));
    all[at].scrollIntoView({ block: "nearest" });
    $("#palette-input").setAttribute("aria-activedescendant", all[at].id);
  };
  const chosen = () => options().findIndex((o) => o.getAttribute("aria-selected") === "true");
  let lead = 0;
  document.addEventListener("keydown", (e) => {
    if ((e.metaKey || e.ctrlKey) && e.key.toLowerCase() === "k") { e.preventDefault(); openDialog("palette"); htmx.trigger("#palette-input", "refresh"); return; }
    if (e.target.id === "palette-input") {
      if (e.key === "ArrowDown" || e.key === "ArrowUp") { e.preventDefault(); choose(chosen() + (e.key === "ArrowDown" ? 1 : -1)); }
      if (e.key === "Enter") { e.preventDefault(); options()[Math.max(0, chosen())]?.click(); }
      return;
    }
    // A text is one line; only JSON and HCL may have more.
    if (e.target.dataset?.f === "value" && e.key === "Enter" && ["text", "expression"].includes(fields(e.target.closest("[data-row]")).type.value)) { e.preventDefault(); return; }
    if (e.target.id === "log-search" && e.key === "Enter") { e.preventDefault(); logFind(e.shiftKey ? -1 : 1); return; }
    if (e.key === "Escape") { for (const m of $$("details.menu[open]")) { m.open = false; $("summary", m).focus(); } return; }
    if (e.target.role === "tab" && (e.key === "ArrowRight" || e.key === "ArrowLeft")) {
      const tabs = $$("[role=tab]", e.target.parentElement);
      tabs[(tabs.indexOf(e.target) + (e.key === "ArrowRight" ? 1 : -1) + tabs.length) % tabs.length].focus();
      return;
    }
    if (e.target.closest("input,textarea,select,dialog") || e.metaKey || e.ctrlKey || e.altKey) return;
    if (Date.now() - lead < 1200) {
      lead = 0;
      const to = $(`[data-go=${CSS.escape(e.key)}]`);
      if (to) { e.preventDefault(); to.click(); return; }
    }
    if (e.key === "g") lead = Date.now();
    else if (e.key === "/") { const s = $("[data-search]"); if (s) { e.preventDefault(); s.focus(); s.select(); } }
    else if (e.key === "?") openDialog("shortcuts");
  });

  // ---- live connection -----------------------------------------------------------------------------------------
  // A browser allows few connections to one server. A page nobody looks at gives its stream back and takes it up again
  // when it is seen, telling what it saw last, so nothing is missed and nothing comes twice.
  const streams = new Set();
  class Stream {
    heard = [];
    constructor(url) { this.url = url; streams.add(this); this.resume(); }
    get readyState() { return this.ended ? EventSource.CLOSED : this.source?.readyState ?? EventSource.CONNECTING; }
    resume() {
      if (this.ended || this.source) return;
      const s = this.source = new EventSource(this.last ? `${this.url}${this.url.includes("?") ? "&" : "?"}last=${encodeURIComponent(this.last)}` : this.url);
      s.onopen = (e) => this.onopen?.(e);
      s.onerror = (e) => { if (s.readyState === EventSource.CLOSED) this.close(); this.onerror?.(e); };
      for (const [name, listener] of this.heard) this.hear(name, listener);
    }
    hear(name, listener) {
      this.source?.addEventListener(name, (e) => { this.last = e.lastEventId || this.last; });
      this.source?.addEventListener(name, listener);
    }
    pause() { this.source?.close(); this.source = null; }
    close() { this.ended = true; this.pause(); streams.delete(this); }
    addEventListener(name, listener) { this.heard.push([name, listener]); this.hear(name, listener); }
    removeEventListener(name, listener) {
      this.heard = this.heard.filter(([n, l]) => n !== name || l !== listener);
      this.source?.removeEventListener(name, listener);
    }
  }
  htmx.createEventSource = (url) => new Stream(url);
  let away = 0;
  const pauseAll = () => { for (const s of streams) s.pause(); };
  const resumeAll = () => { clearTimeout(away); for (const s of [...streams]) s.resume(); };
  document.addEventListener("visibilitychange", () => { if (document.hidden) away = setTimeout(pauseAll, 5000); else resumeAll(); });
  window.addEventListener("pagehide", pauseAll);
  window.addEventListener("pageshow", resumeAll);

  let lost = 0;
  const connection = (ok) => {
    clearTimeout(lost);
    const banner = $("#connection");
    if (!banner) return;
    if (ok) banner.hidden = true;
    else lost = setTimeout(() => { banner.hidden = false; }, 2000); // a blink is not worth a word
  };
  document.addEventListener("htmx:sseOpen", () => connection(true));
  document.addEventListener("htmx:sseError", () => connection(false));
  document.addEventListener("htmx:sendError", () => connection(false));
  document.addEventListener("htmx:afterRequest", (e) => { if (e.detail.successful) connection(true); });
  // The page's state changed in a way that needs other controls: the server names the address to load.
  document.addEventListener("htmx:sseMessage", () => { tick(); });

  const ready = () => { tick(); armForms(); armConfirm(); armLog(); if (options().length && chosen() < 0) choose(0); };
  document.addEventListener("htmx:afterSettle", ready);
  document.addEventListener("DOMContentLoaded", () => {
    ready(); dirty();
    const tab = $("[role=tab][aria-selected=true]");
    if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - tab.parentElement.clientWidth / 3;
    if (/Mac|iPhone|iPad/.test(navigator.platform)) for (const k of $$("[data-mod]")) k.textContent = "⌘";
    ($("[aria-invalid=true]") || $("[autofocus]"))?.focus();
  });
})();
