// Keyboard, print and copy for the screens of Trạm. Nothing here is needed to use a page:
// every link and form works without it. No inline code, no storage but one preference.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");
  const OFF = "tram-keys-off";
  const all = (css) => Array.from(document.querySelectorAll(css));
  const one = (css) => document.querySelector(css);
  const keysOff = () => { try { return localStorage.getItem(OFF) === "1"; } catch { return false; } };

  // The row that j and k move; it is remembered by its link, because a live refresh replaces rows.
  let current = null;
  const rows = () => all("[data-row]");
  const mark = (row) => {
    for (const other of rows()) other.classList.remove("here");
    if (!row) return;
    row.classList.add("here");
    current = row.dataset.row;
    const link = row.querySelector("a[href]");
    if (link) link.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  };
  const move = (step) => {
    const list = rows();
    if (list.length === 0) return;
    const at = list.findIndex((row) => row.dataset.row === current);
    const next = at < 0 ? (step > 0 ? 0 : list.length - 1) : at + step;
    mark(list[Math.min(list.length - 1, Math.max(0, next))]);
  };

  const help = () => { const box = one("#keys"); if (box && !box.open) box.showModal(); };
  const go = (css) => { const link = one(css); if (link) link.click(); };

  const typing = (target) => target instanceof HTMLElement
    && (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName));

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (keysOff() || one("dialog[open]")) return;
    const todo = {
      "/": () => { const box = one("input[type=search]"); if (box) { box.focus(); box.select(); } },
      "j": () => move(1),
      "k": () => move(-1),
      "c": () => go("[data-key=c]"),
      "?": help,
    }[event.key];
    if (todo) { event.preventDefault(); todo(); }
  });

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target.closest("[data-do]") : null;
    if (!target) return;
    if (target.dataset.do === "print") window.print();
    if (target.dataset.do === "help") help();
    if (target.dataset.do === "copy") {
      navigator.clipboard?.writeText(target.dataset.text ?? "");
      target.classList.add("done");
    }
  });

  document.addEventListener("change", (event) => {
    if (!(event.target instanceof HTMLInputElement)) return;
    if (event.target.dataset.do === "keys") {
      try { localStorage.setItem(OFF, event.target.checked ? "0" : "1"); } catch { /* private window */ }
    }
  });

  document.addEventListener("htmx:after:swap", () => {
    const again = rows().find((row) => row.dataset.row === current);
    if (again) again.classList.add("here");
  });

  const box = one("input[data-do=keys]");
  if (box) box.checked = !keysOff();
})();
