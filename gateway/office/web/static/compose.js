// The page of a new document: keeps the draft by itself, counts the subject, takes a dropped PDF, counts down the time to undo.
// Without it every button does the same.
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

  // ---- how much of the subject is left
  const subject = document.getElementById("subject");
  const left = document.getElementById("subject-left");
  const count = () => { left.textContent = subject.dataset.count.replace("#", 500 - subject.value.length); };
  subject.addEventListener("input", count);
  count();

  // ---- the draft, every 20 seconds and on leaving, where anything was typed
  const kept = document.getElementById("kept");
  let dirty = false, busy = false, leaving = false;
  form.addEventListener("input", (event) => { if (event.target.type !== "file" && event.target.id !== "find") dirty = true; });
  form.addEventListener("submit", () => { leaving = true; });
  const fields = () => {
    const data = new FormData(form);
    for (const [name, value] of [...data]) if (value instanceof File) data.delete(name);
    data.set("act", "autosave");
    return data;
  };
  const keep = async (last = false) => {
    if (!dirty || busy || leaving) return;
    busy = true;
    dirty = false;
    try {
      const answer = await fetch(form.action, { method: "POST", body: fields(), keepalive: last, headers: { "X-Form-Token": document.body.dataset.formToken } });
      const told = await answer.json();
      if (!answer.ok) { kept.textContent = told.problem || kept.dataset.failed; return; }
      form.elements.version.value = told.version;
      form.elements.checked.value = "";
      if (!form.action.endsWith(told.path)) {
        form.action = told.path;
        history.replaceState(null, "", told.path);
      }
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
  // A save under way ends first, so that the form knows the version it made.
  form.addEventListener("submit", (event) => {
    if (!busy) return;
    event.preventDefault();
    const pressed = event.submitter;
    const again = window.setInterval(() => { if (!busy) { window.clearInterval(again); form.requestSubmit(pressed ?? undefined); } }, 50);
  });

  // ---- a dropped PDF is the lead file, and is read at once
  const zone = document.querySelector("[data-drop]");
  const lead = document.getElementById("lead");
  const read = zone.querySelector("[data-read]");
  for (const name of ["dragenter", "dragover"]) form.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) form.addEventListener(name, () => zone.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    const one = new DataTransfer();
    one.items.add(event.dataTransfer.files[0]);
    lead.files = one.files;
    form.requestSubmit(read);
  });
})();
