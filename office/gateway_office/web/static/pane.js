// The pane beside a list of documents: opens the one that is walked to, sends the forms of its acts and goes on to the next,
// without leaving the list. Rows stay where they are. Without it a row opens the document's own page.
"use strict";
(() => {
  const pane = document.querySelector("[data-pane]");
  if (!pane) return;
  const { ask, tell, swap, leave, plain, words, LETTER } = window.gateway;
  const inside = pane.querySelector("[data-inside]"), last = pane.querySelector("[data-last]");
  const list = document.getElementById("list");
  // What is done with a task belongs to the letter that is open.
  // What else opens beside its list, where that says so: accounts, units, requests, agencies, and changes of these.
  const THING = "things" in pane.dataset ? /^\/(?:quan-tri\/(?:tai-khoan|don-vi|de-nghi|khoa-api(?=\/key_\w+\/nhat-ky))|co-quan(?:\/(?:thay-doi|de-nghi))?)\/([A-Z0-9][0-9A-Z.]*|[a-z]{3}_[0-9A-Za-z]+)(?:\/nhat-ky)?(?:\/([a-z-]+))?$/ : /^$/;
  const TASK = /^\/can-xu-ly\/(?:viec|phu-trach|nhac-lai|xong|danh-thuc)$/;
  const isThere = () => pane.getClientRects().length > 0;
  const rows = () => [...list.querySelectorAll("[data-row]:has(a[data-open])")];
  const hrefOf = (row) => row.querySelector("a[data-open]").getAttribute("href");
  // A letter may stand in several rows of a list of tasks: the one that was walked to, else the first.
  const rowOf = (id) => { const of = rows().filter((row) => row.dataset.id === id); return of.find((row) => hrefOf(row) === walked) ?? of[0]; };
  const partsOf = (address) => { const { origin, pathname } = new URL(address, location.href); return origin !== location.origin ? null : TASK.test(pathname) && open ? [pathname, open, "viec"] : LETTER.exec(pathname) ?? THING.exec(pathname); };
  const letterOf = (address) => partsOf(address)?.[1];
  const pathOf = (id) => { const row = rowOf(id); return row ? hrefOf(row) : `/van-ban-${id.startsWith("inb_") ? "den" : "di"}/${id}`; };
  let open = "", walked = "", turn = 0, busy = false, ready = false;

  // ---- showing. What was just put before the eyes is acted on only when its page is there, and never by the same stroke.
  const SOON_MS = 400, LATEST_MS = 5000;
  const unready = () => { ready = false; delete pane.dataset.ready; };
  const settle = async (mine) => {
    unready();
    const sheet = inside.querySelector("img.leaf-sheet");
    const drawn = sheet && !sheet.complete ? new Promise((done) => { sheet.addEventListener("load", done); sheet.addEventListener("error", done); }) : null;
    const pause = (ms) => new Promise((done) => { window.setTimeout(done, ms); });
    await Promise.all([pause(SOON_MS), Promise.race([drawn, pause(LATEST_MS)])]);
    if (mine === turn) { ready = true; pane.dataset.ready = open; }
  };
  const stand = () => {
    const opened = open && rowOf(open);
    rows().forEach((row) => {
      const here = row === opened;
      row.classList.toggle("open-row", here);
      const link = row.querySelector("a[data-open]");
      if (here) { row.classList.remove("unread"); link.setAttribute("aria-current", "true"); } else link.removeAttribute("aria-current");
    });
    const place = document.querySelector("[data-place]"), at = rows().indexOf(opened) + 1;
    if (place) place.textContent = at ? `${at}/${rows().length}${list.querySelector('a[rel="next"]') ? "+" : ""}` : "";
  };
  const put = (text, id, mine, address) => {
    // A form of the letter that is open stands beside its paper; anything else takes the place of both.
    const parts = new DOMParser().parseFromString(text, "text/html").body;
    // A form without an address of its own belongs to the page that it came with.
    parts.querySelectorAll("form:not([action])").forEach((form) => form.setAttribute("action", address));
    const side = id === open && !parts.querySelector(".at-desk") && inside.querySelector(".at-desk > .side");
    // What was done is said in the rail, above the letter that it was done with.
    const told = parts.querySelector(".piece > [data-told]"), rail = told && parts.querySelector(".at-desk > .side, .ground");
    if (rail) rail.prepend(told);
    if (side) { side.replaceChildren(...parts.childNodes); side.scrollTop = 0; } else inside.replaceChildren(...parts.childNodes);
    // The form that stood there until a row was opened.
    document.querySelector(".pane-form")?.remove();
    open = id;
    stand();
    document.dispatchEvent(new CustomEvent("gateway:swapped", { detail: inside }));
    history.replaceState(history.state, "", `#${id}`);
    // A form that was asked for takes the keys; a letter that was walked to leaves them to the list.
    const field = inside.querySelector("[data-problems]") ?? (!side ? null : inside.querySelector("form[data-act] :is(select, textarea, input:not([type=hidden]))"));
    field?.focus({ preventScroll: true });
    settle(mine);
  };
  const show = async (address) => {
    const id = letterOf(address);
    if (rows().some((row) => hrefOf(row) === address)) walked = address;
    // The form of a letter that is not open yet stands beside its paper too.
    if (id && id !== open && partsOf(address)[2] && !(await show(pathOf(id)))) return false;
    const mine = ++turn;
    unready();
    pane.classList.add("asking");
    const answer = await ask(address).catch(() => null);
    const text = answer ? await answer.text().catch(() => null) : null;
    if (mine !== turn) return false;
    pane.classList.remove("asking");
    if (answer?.status === 401) { leave(); return false; }
    if (text === null) { tell(words.failed); ready = Boolean(open); return false; }
    if (!answer.headers.get("X-Piece") || !letterOf(answer.url)) { location.assign(answer.url); return false; }
    const typing = id === open && inside.contains(document.activeElement) && document.activeElement.matches("input, textarea") ? document.activeElement : null;
    put(text, id, mine, answer.url);
    // Text that is being typed while a form loads goes on in its field of the same name, never in a hidden one.
    const same = typing && typing.value !== typing.defaultValue && inside.querySelector(`form[data-act] :is(textarea, input:not([type=hidden]))[name="${typing.name}"]`);
    if (same) { same.value = typing.value; same.focus({ preventScroll: true }); }
    if (new URL(address, location.href).hash === "#leaf") inside.querySelector("#leaf")?.scrollIntoView({ block: "start" });
    tell(inside.querySelector(".piece")?.dataset.title);
    return true;
  };
  window.gateway.open = (address) => { if (!isThere()) return false; show(address); return true; };

  // ---- walking
  let walks = 0;
  const reach = (row) => {
    const link = row.querySelector("a[data-open]"), { top, bottom } = row.getBoundingClientRect();
    const seen = row.closest(".list-lines").getBoundingClientRect();
    rows().forEach((each) => each.classList.toggle("here", each === row));
    link.focus({ preventScroll: true });
    if (top < seen.top || bottom > seen.bottom) row.scrollIntoView({ block: "center" });
    return show(link.getAttribute("href"));
  };
  document.addEventListener("gateway:walked", (event) => {
    if (!isThere() || !list.contains(event.detail)) return;
    window.clearTimeout(walks);
    // Whoever walked on does not mean the letter that still stands there.
    unready();
    if (letterOf(hrefOf(event.detail))) walks = window.setTimeout(() => show(hrefOf(event.detail)), 90);
  });
  const waiting = (all) => all.find((row) => row.dataset.id && !row.classList.contains("done-row"));
  const step = async (by) => {
    if (!isThere()) return;
    const all = rows(), at = all.findIndex((row) => row.classList.contains("open-row"));
    const next = by > 0 ? waiting(all.slice(at + 1)) : all.slice(0, Math.max(at, 1)).findLast((row) => row.dataset.id);
    if (next) { await reach(next); return; }
    const more = list.querySelector('a[rel="next"]');
    if (by < 0 || at < 0) return;
    const left = all.length - all.filter((row) => row.classList.contains("done-row")).length;
    const mine = turn;
    // The next page of the list, else the list anew: what was passed over stands there again. A search has no such region.
    if (pane.dataset.list) {
      if (!(await swap(list, more ? more.getAttribute("href") : pane.dataset.list, false))) return;
      const first = waiting(rows());
      if (first && (more || !left)) { await reach(first); return; }
    } else if (more) { more.click(); return; }
    // What was done meanwhile stands in the pane.
    if (mine !== turn) return;
    turn += 1;
    open = "";
    unready();
    inside.innerHTML = pane.querySelector("template[data-end]").innerHTML;
    tell(inside.textContent.trim());
  };
  document.querySelectorAll("[data-step]").forEach((button) => button.addEventListener("click", () => step(Number(button.dataset.step))));

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link || !plain(event) || link.target || link.hasAttribute("download") || !isThere()) return;
    const row = link.closest("[data-row]");
    if (!(pane.contains(link) || row) || !letterOf(link.href)) return;
    event.preventDefault();
    if (row) walked = hrefOf(row);
    show(link.getAttribute("href"));
  });

  // ---- acting
  // Rows as they were before an act that can be undone.
  const former = new Map();
  const countNew = (by) => {
    const count = document.querySelector(":is([data-tab=new], [data-tab=tasks])[aria-current] .count");
    if (count && /^\d+$/.test(count.textContent)) count.textContent = Math.max(0, Number(count.textContent) + by);
  };
  const finish = (row, word) => {
    if (!row) return;
    row.classList.add("done-row");
    const deed = row.querySelector("[data-deed]");
    former.set(row.dataset.id, [...deed.childNodes]);
    deed.replaceChildren(word);
    countNew(-1);
  };
  const undone = (id) => {
    const row = rowOf(id);
    last.replaceChildren();
    if (!row?.classList.contains("done-row")) return;
    row.classList.remove("done-row");
    row.querySelector("[data-deed]").replaceChildren(...(former.get(id) ?? []));
    row.querySelector(".pending")?.remove();
    if (former.delete(id)) countNew(1);
  };
  const done = (text) => {
    last.innerHTML = text;
    const told = last.querySelector("[data-letter]");
    tell(told.dataset.said);
    const row = rowOf(told.dataset.letter);
    finish(row, told.dataset.word);
    // An act that can be undone has its button in the row too, because the next act takes the line above.
    const undo = row && told.querySelector("form");
    if (undo) {
      const deed = row.querySelector("[data-deed]"), copy = undo.cloneNode(true);
      deed.replaceChildren(copy);
      window.setTimeout(() => {
        undo.remove();
        if (copy.isConnected) deed.replaceChildren(told.dataset.word);
      }, 1000 * Number(told.dataset.left));
    }
    return told.dataset.letter;
  };
  // An act that waited has taken effect, or could not be done: its row and the foot say so.
  document.addEventListener("gateway:acted", ({ detail }) => {
    const row = rowOf(detail.id), deed = row?.querySelector("[data-deed]");
    if (deed) {
      const word = document.createElement("span");
      Object.assign(word, { textContent: detail.word, className: detail.failed ? "late" : "" });
      // A list that was renewed while the act waited counts its letter still.
      const isCounted = row.querySelector(".pending") !== null;
      row.querySelector(".pending")?.remove();
      if (row.classList.contains("done-row") && detail.failed !== isCounted) countNew(detail.failed ? 1 : -1);
      row.classList.toggle("done-row", !detail.failed);
      deed.replaceChildren(...(detail.failed ? [word, ...(former.get(detail.id) ?? [])] : [word]));
      former.delete(detail.id);
    }
    const line = document.createElement("p");
    Object.assign(line, { textContent: detail.said, className: detail.failed ? "late" : "" });
    // The button that undoes a later act stays.
    const later = last.querySelector(`[data-letter]:not([data-letter="${detail.id}"]):has(form)`);
    last.replaceChildren(line, ...(later ? [later] : []));
    tell(detail.said);
    if (open === detail.id && ready && !busy && !(inside.contains(document.activeElement) && document.activeElement.matches("input, textarea, select"))) show(pathOf(open));
  });
  // Among tasks an act that was confirmed ends the task, and the next one opens; taking it up ends nothing.
  const goOn = async (told, text) => {
    const sentence = new DOMParser().parseFromString(text, "text/html").querySelector("[data-told]")?.textContent ?? "";
    last.innerHTML = "<p></p>";
    last.firstChild.textContent = sentence;
    tell(sentence);
    if (told === "tasks.taken") { await show(pathOf(open)); return; }
    finish(rowOf(open), pane.dataset.goesOn);
    await step(1);
  };
  const send = async (form, button) => {
    const id = letterOf(form.action), inPane = pane.contains(form), mine = inPane ? ++turn : 0;
    busy = true;
    pane.classList.add("asking");
    const data = new URLSearchParams(new FormData(form, button ?? undefined));
    const address = new URL(form.action);
    const answer = await ask(form.method === "get" ? `${address.pathname}?${data}` : address, form.method === "get" ? {} : { method: "POST", body: data }).catch(() => null);
    const text = answer ? await answer.text().catch(() => null) : null;
    busy = false;
    pane.classList.remove("asking");
    // What was typed stays where it is: the clerk signs in in another window and presses again.
    if (text === null || answer.status === 401) { last.innerHTML = pane.querySelector(`template[data-${answer ? "over" : "lost"}]`).innerHTML; tell(last.textContent.trim()); ready = true; return; }
    if (answer.headers.get("X-Done")) {
      const acted = done(text);
      if (acted === open) await step(1); else ready = Boolean(open);
      return;
    }
    if (inPane && mine !== turn) return;
    const told = pane.dataset.goesOn && answer.redirected && new URL(answer.url).searchParams.get("told");
    if (told && answer.headers.get("X-Piece")) { await goOn(told, text); return; }
    // An act may end elsewhere, as one that makes a draft.
    if (answer.ok && address.pathname.endsWith("/hoan-tac")) undone(id);
    if (answer.headers.get("X-Piece") && letterOf(answer.url)) put(text, id, inPane ? mine : ++turn, answer.url); else location.assign(answer.redirected ? answer.url : pathOf(id));
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || !isThere() || !(pane.contains(form) || form.closest("[data-row]")) || !letterOf(form.action)) return;
    event.preventDefault();
    if (busy || (inside.contains(form) && !ready)) { tell(pane.dataset.wait); return; }
    send(form, event.submitter);
  });

  const desk = document.querySelector(".workspace");
  document.addEventListener("gateway:swapped", (event) => {
    if (event.detail !== list) return;
    // A table of chosen columns has the page to itself.
    const isTable = list.querySelector("tr[data-row]") !== null;
    desk.classList.toggle("with-pane", !isTable);
    document.body.classList.toggle("paned", !isTable);
    stand();
  });
  const [, named, form] = /^#([0-9A-Za-z_.]+)(\/[a-z/-]+(?:\?[^#]*)?)?$/.exec(location.hash) ?? [];
  if (named && isThere() && (rowOf(named) || LETTER.test(pathOf(named)))) show(form ? `/van-ban-${named.startsWith("inb_") ? "den" : "di"}/${named}${form}` : pathOf(named));
})();
