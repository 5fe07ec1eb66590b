// What pages do beyond links and forms: keys that open and move, a warning before the session ends, rows that can be walked,
// the folded menu. Every page works without it. Nothing here acts: an act needs its button or Ctrl+Enter.
"use strict";
(() => {
  const body = document.body;
  const words = document.getElementById("words")?.dataset ?? {};
  const year = 31536000;

  // ---- what a screen reader hears of a change
  const said = document.getElementById("said");
  const tell = (text) => { if (said && text) { said.textContent = ""; window.setTimeout(() => { said.textContent = text; }, 30); } };

  // ---- regions: what has data-swap asks for a part of a page, and puts it where that names; the address follows, so that
  // going back finds what was left
  const leave = () => location.assign("/dang-nhap");
  const ask = (address, more = {}) => fetch(address, { ...more, headers: { "X-Piece": "1", "X-Form-Token": body.dataset.formToken ?? "" } });
  const turns = new WeakMap();
  const swap = async (place, address, push = true) => {
    const mine = (turns.get(place) ?? 0) + 1;
    turns.set(place, mine);
    body.classList.add("asking");
    const answer = await ask(address).catch(() => null);
    const text = answer?.ok && answer.headers.get("X-Piece") ? await answer.text().catch(() => null) : null;
    if (turns.get(place) !== mine) return false;
    body.classList.remove("asking");
    if (answer?.status === 401) { leave(); return false; }
    if (text === null) { tell(words.failed); return false; }
    const had = place.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    place.innerHTML = text;
    if (had !== null) (place.querySelector(`a[href="${CSS.escape(had)}"]`) ?? place.querySelector("[aria-current]"))?.focus({ preventScroll: true });
    if (push) {
      history.replaceState({ swapped: true }, "");
      history.pushState({ swapped: true }, "", answer.headers.get("X-Address") ?? address);
    }
    tell(place.querySelector("[data-said]")?.dataset.said ?? place.dataset.said);
    mark(0, false);
    document.dispatchEvent(new CustomEvent("gateway:swapped", { detail: place }));
    return true;
  };
  document.querySelector(".tool-chips [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  window.addEventListener("popstate", (event) => { if (event.state?.swapped) location.reload(); });
  const place = (element) => document.querySelector(element.dataset.swap);
  const filled = (form) => {
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string" && value !== ""));
    return `${new URL(form.action).pathname}?${query}`;
  };
  const plain = (event) => event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.defaultPrevented);
  const offersOf = (field) => {
    const address = new URL(field.dataset.from, location.href);
    address.searchParams.set(field.name, field.value);
    return address.pathname + address.search;
  };
  let rest = 0;
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-swap]")) return;
    event.preventDefault();
    window.clearTimeout(rest);
    event.target.closest("details.dropdown")?.removeAttribute("open");
    swap(place(event.target), filled(event.target));
  });
  document.addEventListener("change", (event) => {
    const form = event.target.closest?.("form[data-swap=\"#list\"][data-eager]");
    if (!form) return;
    window.clearTimeout(rest);
    rest = window.setTimeout(() => swap(place(form), filled(form)), 200);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-swap]");
    // A part that has no room on a narrow screen is a page there.
    if (!link || !plain(event) || !place(link).getClientRects().length) return;
    event.preventDefault();
    // Beside a list or a report the address is that one's.
    swap(place(link), link.getAttribute("href"), !link.closest("[data-pane], [data-stays]"));
  });
  document.addEventListener("input", (event) => {
    const field = event.target;
    if (!field.matches("input[data-from]")) return;
    window.clearTimeout(rest);
    rest = window.setTimeout(() => swap(place(field), offersOf(field), false), 300);
  });

  // ---- a field with offers: arrow keys walk them, Enter takes one. `first` says whether the first is marked by itself.
  const combobox = (field, list, take, first) => {
    const offers = () => [...list.querySelectorAll("[role=option]")];
    let at = -1;
    for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-controls", list.id], ["aria-expanded", "false"]]) field.setAttribute(name, value);
    const mark = (to) => {
      const all = offers();
      at = all.length && to >= -1 ? to % all.length : all.length - 1;
      all.forEach((offer, n) => offer.setAttribute("aria-selected", String(n === at)));
      field.setAttribute("aria-expanded", String(all.length > 0));
      if (at < 0) { field.removeAttribute("aria-activedescendant"); return; }
      field.setAttribute("aria-activedescendant", all[at].id);
      all[at].scrollIntoView({ block: "nearest" });
    };
    const shut = () => { list.replaceChildren(); mark(-1); };
    document.addEventListener("gateway:swapped", (event) => {
      if (event.detail !== list) return;
      if (document.activeElement !== field) { shut(); return; }
      mark(first() ? 0 : -1);
      if (list.getBoundingClientRect().bottom > window.innerHeight) list.scrollIntoView({ block: "end" });
    });
    field.addEventListener("focus", () => { if (!offers().length) swap(list, offersOf(field), false); });
    field.addEventListener("blur", shut);
    list.addEventListener("pointerdown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => { const offer = event.target.closest("[role=option]"); if (offer) take(offer); });
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        mark(event.key === "ArrowDown" ? at + 1 : at < 0 ? -2 : at - 1);
      } else if (event.key === "Enter" && at >= 0) {
        event.preventDefault();
        take(offers()[at]);
      } else if (event.key === "Escape" && offers().length) {
        event.preventDefault();
        shut();
      }
    });
    return shut;
  };
  // The letter's own page, and the forms of its acts; a file, a packet or a slip opens as elsewhere.
  const ACTS = "vao-ho-so|lien-ket|tiep-nhan|tam-giu|tu-choi|trinh|chuyen-xu-ly|tra-lai|tien-do|xong-phan-viec|mo-lai|dong-y|khong-dong-y|niem-phong|gui-lai|sua-lai|gui-them|huy-gui|hoan-tac|sai-gi|thu-hoi(?:/de-nghi(?:/(?:phe-duyet|khong-phe-duyet|rut-lai))?)?|don-doc";
  const LETTER = new RegExp(`^/van-ban-(?:den|di)/((?:inb|msg)_[0-9A-Za-z]+)(?:/(${ACTS}))?$`);
  // A button that has parts of its page filled by the server, without leaving: a chosen file stays chosen.
  document.addEventListener("submit", async (event) => {
    const button = event.submitter;
    if (!button?.matches("[data-fills]")) return;
    event.preventDefault();
    button.disabled = true;
    const answer = await ask(button.formAction, { method: "POST", body: new FormData(event.target) }).catch(() => null);
    button.disabled = false;
    if (answer?.status === 401) { leave(); return; }
    const page = answer && new DOMParser().parseFromString(await answer.text(), "text/html");
    const parts = [...document.querySelectorAll(button.dataset.fills)].map((part) => [part, page?.getElementById(part.id)]);
    if (parts.some(([, filled]) => !filled)) { tell(words.failed); return; }
    for (const [part, filled] of parts) part.replaceWith(filled);
    tell(page.querySelector("[role=status], [role=alert]")?.textContent);
  });
  window.gateway = { tell, ask, swap, leave, plain, words, combobox, LETTER };
  // On a wide screen the form of an act stands beside its paper, in the list of that side, whether its link was pressed or
  // its address was typed or came by mail. `data-beside` says whose lists show papers, and "page" that no form was sent.
  const beside = ({ pathname, search }) => {
    const [, id, act] = LETTER.exec(pathname) ?? [];
    const hasPane = () => document.querySelector("[data-pane]")?.getClientRects().length;
    if (!act || !body.dataset.beside || !window.matchMedia("(min-width: 68.75rem)").matches || hasPane()) return "";
    return `/van-ban-${id.startsWith("inb_") ? "den" : "di"}?tab=all#${id}/${act}${search}`;
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    const place = link && plain(event) && !link.target && link.origin === location.origin && beside(link);
    if (!place) return;
    event.preventDefault();
    location.assign(place);
  });
  const typed = body.dataset.beside === "page" && beside(location);
  if (typed) location.replace(typed);
  // On the letter's own page what became of the act takes the place of the sentence that it waits.
  document.addEventListener("gateway:acted", ({ detail }) => {
    const place = document.querySelector(`[data-awaits="${detail.id}"]`);
    if (!place || place.closest("[data-pane]")) return;
    const line = document.createElement("p");
    Object.assign(line, { textContent: detail.said, className: detail.failed ? "late" : "big-number" });
    place.replaceChildren(line, ...place.querySelectorAll("p.acts"));
    tell(detail.said);
  });

  // ---- the search field: an offer completes the text, or opens a page
  const search = document.querySelector("input[data-offers]");
  if (search) {
    const list = document.getElementById("search-offers");
    const shut = combobox(search, list, (offer) => {
      if (offer.dataset.path) { location.assign(offer.dataset.path); return; }
      search.value = offer.dataset.text;
      search.setSelectionRange(search.value.length, search.value.length);
      swap(list, offersOf(search), false);
    }, () => false);
    search.form.addEventListener("submit", shut);
    // A list that was filtered in place says what its search field holds now.
    document.addEventListener("gateway:swapped", (event) => {
      const text = event.detail.querySelector("[data-search]")?.dataset.search;
      if (text !== undefined && document.activeElement !== search) search.value = text;
    });
  }

  // ---- what a browser has against a field, in the language of the page instead of its own
  document.addEventListener("invalid", (event) => {
    const field = event.target, why = field.validity;
    field.setCustomValidity((why.valueMissing && words.missing) || (why.tooShort && words.short) || (why.typeMismatch && words.odd) || "");
  }, true);
  document.addEventListener("input", (event) => { event.target.setCustomValidity?.(""); }, true);

  // ---- the first thing to read: what is wrong with a form, or what was done
  (document.querySelector("[data-problems]") ?? document.querySelector("[data-told]"))?.focus();

  // ---- a button that undoes counts the seconds it has, where it stands and wherever a script puts it
  window.setInterval(() => document.querySelectorAll("button[data-seconds]").forEach((button) => {
    const { dataset } = button, seconds = Number(dataset.seconds) - 1;
    if (seconds < 1) delete dataset.seconds; else dataset.seconds = String(Math.floor(seconds));
  }), 1000);

  // ---- rows
  const rows = () => [...document.querySelectorAll("[data-row]")];
  let at = -1;
  const mark = (step, move = true) => {
    const all = rows();
    if (!all.length) { at = -1; return; }
    const here = all.findIndex((row) => row.classList.contains("here"));
    if (here < 0 && !move) { at = -1; return; }
    at = Math.min(all.length - 1, Math.max(0, here + step));
    all.forEach((row, n) => row.classList.toggle("here", n === at));
    if (move) {
      all[at].scrollIntoView({ block: "nearest" });
      (all[at].querySelector("a[data-open]") ?? all[at].querySelector("a"))?.focus({ preventScroll: true });
      document.dispatchEvent(new CustomEvent("gateway:walked", { detail: all[at] }));
    }
  };
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest?.("[data-row]");
    if (row) rows().forEach((each) => each.classList.toggle("here", each === row));
  });
  // A click beside the link opens the row too; a middle click is the browser's own, on the link.
  document.addEventListener("click", (event) => {
    const row = event.target.closest("[data-row]");
    if (row && !event.target.closest("a, button, input, label, summary, details, select") && !window.getSelection().toString()) {
      row.querySelector("a[data-open]")?.click();
    }
  });

  // ---- keys
  const goes = {};
  document.querySelectorAll("[data-go]").forEach((link) => { goes[link.dataset.go] = link; });
  const typing = (element) => element.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  const hit = (key) => document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  let waits = 0;
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.defaultPrevented) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      // A key that is held down acts once.
      if (event.repeat) { event.preventDefault(); return; }
      const own = event.target.closest?.("form");
      const form = own ? own.closest("form[method=post]") : document.querySelector("form[data-act]");
      if (form) { event.preventDefault(); form.requestSubmit(form.querySelector("[data-main]") ?? undefined); }
      return;
    }
    if (event.key === "Escape") {
      document.querySelectorAll("details[open].dropdown").forEach((each) => { each.open = false; });
      if (typing(event.target)) event.target.blur();
      return;
    }
    if ((event.ctrlKey || event.metaKey) && event.key === "k") {
      const field = document.getElementById("search");
      if (field) { event.preventDefault(); field.focus(); field.select(); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || body.dataset.keys !== "on" || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (key(event.key)) event.preventDefault();
  });
  const key = (pressed) => {
    if (waits && Date.now() - waits < 1500) {
      waits = 0;
      if (goes[pressed]) { goes[pressed].click(); return true; }
      return false;
    }
    switch (pressed) {
      case "g": waits = Date.now(); return true;
      case "/": document.getElementById("search")?.focus(); return true;
      case "?": document.getElementById("keys")?.showModal(); return true;
      case "j": mark(1); return true;
      case "k": mark(-1); return true;
      case "x": {
        const box = document.querySelector("[data-row].here input[type=checkbox]");
        if (box) box.click();
        return Boolean(box);
      }
      case "f": {
        const place = document.querySelector("[data-filters]");
        if (place instanceof HTMLDetailsElement) place.open = true;
        place?.querySelector("input:not([type=hidden]), select")?.focus();
        return Boolean(place);
      }
      default: {
        const link = hit(pressed);
        if (link) link.click();
        return Boolean(link);
      }
    }
  };

  // ---- what opened over the page closes with a press beside it
  document.addEventListener("click", (event) => {
    document.querySelectorAll("details.dropdown[open]").forEach((each) => { if (!each.contains(event.target)) each.open = false; });
  });

  // ---- what stands in the middle of the screen until it is closed; a press beside it closes it too
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-show]");
    const shown = link && plain(event) && document.querySelector(link.dataset.show);
    if (shown) {
      event.preventDefault();
      link.closest("details")?.removeAttribute("open");
      shown.showModal();
    }
    if (event.target.id === "keys") event.target.close();
  });

  // ---- a list that a field narrows: entries whose names lack a word of it are hidden; chosen ones stay in sight
  const plainText = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").replace(/đ/gi, "d").toLowerCase();
  document.addEventListener("input", (event) => {
    if (!event.target.matches?.("[data-narrow]")) return;
    const sought = plainText(event.target.value).split(/\s+/).filter(Boolean);
    for (const entry of event.target.parentElement.querySelectorAll("[data-name]")) {
      const text = plainText(entry.textContent);
      entry.hidden = !entry.querySelector(":checked") && !sought.every((word) => text.includes(word));
    }
  });

  // ---- the menu: where we are in sight on a narrow screen; folded or not, as it was left
  document.querySelector(".menu [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
  const fold = document.querySelector("[data-fold]");
  if (fold) {
    fold.addEventListener("click", () => {
      const small = body.classList.toggle("small-menu");
      document.cookie = `gw_menu=${small ? "small" : "wide"}; path=/; max-age=${year}; samesite=lax`;
    });
  }

  // ---- the calendar beside a day that is typed; the browser's own, in its language
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-day-open]");
    if (!button) return;
    const [field, picker] = [button.previousElementSibling, button.nextElementSibling];
    const [, day, month, year] = field.value.match(/^(\d{1,2})\D(\d{1,2})\D(\d{4})$/) ?? [];
    picker.value = year ? `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}` : "";
    picker.showPicker?.();
  });
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-day-pick]") || !event.target.value) return;
    const field = event.target.parentElement.querySelector("input");
    field.value = event.target.value.split("-").reverse().join("/");
    for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, { bubbles: true }));
    field.focus();
  });

  // ---- a press that fills fields of its form: a suggestion, or a usual day
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-fill]");
    if (!button) return;
    for (const [name, value] of Object.entries(JSON.parse(button.dataset.fill))) {
      const fields = [...button.closest("form").querySelectorAll(`[name="${CSS.escape(name)}"]`)];
      const field = fields.find((each) => each.type !== "radio" || each.value === value);
      if (!field || !value) continue;
      if (field.type === "radio") field.checked = true; else field.value = value;
      field.closest("li li")?.closest("details").setAttribute("open", "");
      for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, { bubbles: true }));
      field.scrollIntoView({ block: "nearest" });
    }
  });

  // ---- copying
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const from = document.querySelector(button.dataset.copy);
    navigator.clipboard?.writeText(from ? from.textContent.trim() : button.dataset.text ?? "").then(() => tell(words.copied), () => {});
  });
  document.querySelectorAll("[data-copy]").forEach((each) => { each.hidden = !navigator.clipboard; });

  // ---- a password in sight; hidden again before it is sent, so that browsers keep it as a password
  document.querySelectorAll("[data-reveal]").forEach((box) => {
    const field = document.querySelector(box.dataset.reveal);
    box.checked = false;
    box.addEventListener("change", () => { field.type = box.checked ? "text" : "password"; });
    field.form.addEventListener("submit", () => { field.type = "password"; box.checked = false; });
  });

  // ---- choosing files, in the page's language instead of the browser's; the control itself lies over what is shown
  const pick = (input) => {
    const [frame, button, names] = ["span", "span", "span"].map((name) => document.createElement(name));
    frame.className = "pick-file";
    button.className = "button";
    button.textContent = input.multiple ? words.chooseMany : words.choose;
    button.ariaHidden = names.ariaHidden = "true";
    const show = () => { names.textContent = [...input.files].map((file) => file.name).join(", ") || words.noFile; };
    input.before(frame);
    frame.append(input, button, names);
    input.addEventListener("change", show);
    show();
  };
  const picks = () => document.querySelectorAll("input[type=file]").forEach((input) => { if (!input.closest(".pick-file")) pick(input); });
  document.addEventListener("gateway:swapped", picks);
  picks();

  // ---- the session's end, two minutes before; whatever extends it moves the clock
  const ending = document.getElementById("ending");
  let alarm = 0;
  // The person's machine may be set to another time than the node.
  const ahead = Date.now() - Date.parse(body.dataset.now);
  const watch = (endsAt) => {
    window.clearTimeout(alarm);
    const left = Date.parse(endsAt) + ahead - Date.now() - 120000;
    if (Number.isFinite(left)) {
      alarm = window.setTimeout(() => { ending?.showModal(); tell(ending?.dataset.warn); document.dispatchEvent(new Event("gateway:ending")); }, Math.min(left, 2147483647));
    }
  };
  if (body.dataset.endsAt && ending) {
    watch(body.dataset.endsAt);
    ending.querySelector("form").addEventListener("submit", async (event) => {
      event.preventDefault();
      const answer = await fetch("/phien/gia-han", { method: "POST", headers: { "X-Form-Token": body.dataset.formToken, Accept: "application/json" } });
      if (!answer.ok) { location.assign("/dang-nhap"); return; }
      watch((await answer.json()).ends_at);
      ending.close();
    });
  }
})();
