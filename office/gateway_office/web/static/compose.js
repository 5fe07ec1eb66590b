// The page of a new document: takes files at once, keeps the draft by itself, finds recipients while a name is typed and
// changes them without leaving the page, counts the subject, counts down the time to undo. Without it every button does the same.
"use strict";
(() => {
  const form = document.querySelector("form[data-compose]");
  const waits = document.getElementById("waits");

  if (waits) {
    const ends = Date.now() + Number(waits.dataset.left) * 1000;
    const tick = () => {
      const left = Math.ceil((ends - Date.now()) / 1000);
      if (left > 0) { waits.textContent = waits.dataset.words.replace("#", left); return; }
      window.clearInterval(clock);
      waits.textContent = waits.dataset.gone;
      document.getElementById("undo")?.remove();
      window.gateway?.tell(waits.dataset.gone);
    };
    const clock = window.setInterval(tick, 1000);
  }
  if (!form) return;
  const { tell, leave, words, combobox } = window.gateway;
  const headers = { "X-Piece": "1", "X-Form-Token": document.body.dataset.formToken };
  const kept = document.getElementById("kept");
  let dirty = false, busy = false, leaving = false, torn = false;

  // ---- what the form says, without its files; and what an answer says of it
  const filled = (act) => {
    const data = new FormData(form);
    for (const [name, value] of [...data]) if (value instanceof File) data.delete(name);
    data.set("act", act);
    return data;
  };
  const stands = (told) => {
    if (told.version) { form.elements.version.value = told.version; form.elements.checked.value = ""; }
    if (told.path && !form.action.endsWith(told.path)) {
      form.action = told.path;
      history.replaceState(null, "", told.path);
    }
    const left = document.getElementById("left");
    if (left && told.left !== undefined) left.innerHTML = told.left;
  };
  // What is ticked beside the checks is left no more.
  form.addEventListener("change", (event) => {
    const line = event.target.type === "checkbox" && document.querySelector(`#left a[href="#${CSS.escape(event.target.id)}"]`)?.parentElement;
    if (!line) return;
    line.hidden = event.target.checked;
    const head = document.querySelector("[data-left]"), count = document.querySelectorAll(".left-list > li:not([hidden])").length;
    head.textContent = count ? head.dataset.left.replace("#", count) : head.dataset.none;
  });
  const go = (address) => {
    leaving = true;
    const to = new URL(address, location.href);
    if (to.pathname + to.search !== location.pathname + location.search) { location.assign(to); return; }
    location.hash = to.hash;
    location.reload();
  };
  // Somebody else saved this draft: nothing more is kept by itself, and one press shows both.
  const tear = (told) => {
    torn = true;
    if (!kept) return;
    kept.textContent = `${told.problems?.join(" ") ?? ""} `;
    const both = document.createElement("button");
    both.value = "save";
    both.name = "act";
    both.textContent = kept.dataset.both;
    kept.append(both);
  };

  // ---- the draft, every 20 seconds and on leaving, where anything was typed
  form.addEventListener("input", (event) => { if (event.target.type !== "file" && event.target.id !== "find") dirty = true; });
  form.addEventListener("submit", () => { leaving = true; });
  const keep = async (last = false) => {
    if (!dirty || busy || leaving || torn || !kept) return;
    busy = true;
    dirty = false;
    try {
      const answer = await fetch(form.action, { method: "POST", body: filled("autosave"), keepalive: last, headers });
      const told = await answer.json();
      if (answer.status === 409) { tear(told); return; }
      if (!answer.ok) { kept.textContent = told.problems?.join(" ") || kept.dataset.failed; return; }
      stands(told);
      kept.textContent = told.words;
    } catch {
      dirty = true;
      kept.textContent = kept.dataset.failed;
    } finally {
      busy = false;
    }
  };
  window.setInterval(keep, Number(form.dataset.every ?? 20) * 1000);
  window.addEventListener("pagehide", () => keep(true));
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") keep(true); });
  document.addEventListener("gateway:ending", () => keep());

  // ---- recipients: added, taken away and read from a pasted block without leaving the page
  const IN_PLACE = /^(?:paste|add-to:|drop-to:|swap:|add-group)/;
  const people = document.getElementById("recipients"), fault = document.getElementById("to-fault");
  const address = async (act) => {
    busy = true;
    dirty = false;
    fault.textContent = "";
    try {
      const answer = await fetch(form.action, { method: "POST", body: filled(act), headers });
      if (answer.status === 401) { leave(); return false; }
      const told = await answer.json();
      if (answer.status === 409) { tear(told); tell(kept.textContent); return false; }
      stands(told);
      if (told.go) { go(told.go); return false; }
      if (!answer.ok) { fault.textContent = told.problems.join(" "); return false; }
      people.innerHTML = told.recipients;
      if (act === "paste") form.elements.paste.value = "";
      kept.textContent = told.words;
      tell(told.words);
      return true;
    } catch {
      dirty = true;
      fault.textContent = words.failed;
      return false;
    } finally {
      busy = false;
    }
  };
  form.addEventListener("submit", (event) => {
    const pressed = event.submitter;
    // A save under way ends first, so that the form knows the version it made.
    if (busy) {
      event.preventDefault();
      leaving = false;
      const again = window.setInterval(() => { if (!busy) { window.clearInterval(again); form.requestSubmit(pressed ?? undefined); } }, 50);
      return;
    }
    if (!pressed || !IN_PLACE.test(pressed.value)) return;
    event.preventDefault();
    leaving = false;
    const at = [...people.querySelectorAll("button[value^='drop-to:']")].indexOf(pressed);
    address(pressed.value).then((done) => {
      if (!done || at < 0) return;
      const rest = people.querySelectorAll("button[value^='drop-to:']");
      (rest[Math.min(at, rest.length - 1)] ?? find).focus();
    });
  });

  // ---- finding a recipient while a name is typed: arrows walk the offers, Enter takes one
  const find = document.getElementById("find"), found = document.getElementById("found");
  if (find) {
    const take = async (option) => {
      shut();
      find.value = "";
      await address(`add-to:${option.dataset.code}`);
      find.focus();
      shut();
    };
    const shut = combobox(find, found, take, () => find.value !== "");
    // Enter in this field never sends the form.
    find.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) event.preventDefault(); });
  }

  // ---- whoever signs, with title and competence of the last time
  document.getElementById("name")?.addEventListener("change", (event) => {
    const known = [...document.querySelectorAll("#signers option")].find((each) => each.value === event.target.value);
    const { title, competence } = form.elements;
    if (!known || title.value || competence.value) return;
    title.value = known.dataset.title;
    competence.value = known.dataset.competence;
  });

  // ---- how much of the subject is left
  const subject = document.getElementById("subject"), left = document.getElementById("subject-left");
  if (subject) {
    const count = () => { left.textContent = subject.dataset.count.replace("#", 500 - subject.value.length); };
    subject.addEventListener("input", count);
    count();
  }

  // ---- files: dropped or chosen they go up at once; one that is too large is refused before anything travels
  const zone = form.querySelector("[data-drop]"), state = zone.querySelector(".drop-state"), bar = state.querySelector("progress");
  const say = zone.querySelector(".drop-told"), { limit, whole, held } = zone.dataset;
  const size = (bytes) => new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 }).format(bytes / 1048576) + " MB";
  form.querySelectorAll("[data-plain]").forEach((each) => { each.hidden = true; });
  const against = (chosen) => {
    const wrong = chosen.flatMap((file) => {
      if (file.size > Number(limit)) return [zone.dataset.tooLarge.replace("#name", () => file.name).replace("#size", size(file.size))];
      return file.size ? [] : [zone.dataset.empty.replace("#name", () => file.name)];
    });
    const all = chosen.reduce((sum, file) => sum + file.size, Number(held));
    return wrong.length || all <= Number(whole) ? wrong : [zone.dataset.tooMuch];
  };
  const refuse = (texts) => {
    say.replaceChildren(...texts.map((text) => { const line = document.createElement("span"); line.className = "fault"; line.textContent = `${text} `; return line; }));
    tell(texts.join(" "));
  };
  let way = null;
  const rest = (still) => {
    state.hidden = still;
    form.querySelectorAll("section, .foot").forEach((each) => { if (!each.contains(zone)) each.inert = !still; });
  };
  const ended = (texts) => { way = null; busy = false; rest(true); refuse(texts); };
  const send = (chosen, name) => {
    const wrong = against(chosen);
    if (wrong.length) { refuse(wrong); return; }
    // A save under way ends first, so that the form knows the version it made.
    if (busy) { if (!way) window.setTimeout(() => send(chosen, name), 50); return; }
    const data = filled("file");
    for (const file of chosen) data.append(name, file);
    busy = true;
    way = new XMLHttpRequest();
    way.open("POST", form.action);
    for (const [header, value] of Object.entries(headers)) way.setRequestHeader(header, value);
    way.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable) return;
      const percent = Math.floor((100 * event.loaded) / event.total);
      bar.value = percent;
      say.textContent = percent < 100 ? zone.dataset.part.replace("#", percent) : zone.dataset.reading;
    });
    way.addEventListener("error", () => ended([zone.dataset.failed]));
    way.addEventListener("abort", () => { way = null; busy = false; rest(true); say.textContent = ""; });
    way.addEventListener("load", (event) => {
      const answer = event.target;
      if (answer.status === 401) { leave(); return; }
      let told = {};
      try { told = JSON.parse(answer.responseText); } catch { /* no answer of ours: it did not go through */ }
      if (told.go) { go(told.go); return; }
      stands(told);
      if (answer.status === 409) tear(told);
      ended(told.problems?.length ? told.problems : [zone.dataset.failed]);
    });
    bar.value = 0;
    say.textContent = zone.dataset.part.replace("#", 0);
    rest(false);
    way.send(data);
  };
  zone.querySelector("[data-stop]").addEventListener("click", () => way?.abort());
  form.addEventListener("change", (event) => {
    const input = event.target;
    if (input.type !== "file" || !input.files.length) return;
    const chosen = [...input.files];
    input.value = "";
    send(chosen, input.name);
  });
  for (const name of ["dragenter", "dragover"]) document.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) zone.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (event.dataTransfer.files.length) send([...event.dataTransfer.files], "files");
  });
})();
