// Lists: how many rows are ticked, and news that wait until somebody asks for them. Without it the bar stands there always,
// and a reload brings the news.
"use strict";
(() => {
  const boxes = () => [...document.querySelectorAll('[data-row] input[name="id"]')];
  const bar = () => document.querySelector("[data-bulk]");
  const show = () => {
    const form = bar();
    if (!form) return;
    const all = boxes();
    const ticked = all.filter((box) => box.checked).length;
    form.querySelector("[data-ticked]").textContent = form.dataset.words.replace("{count}", ticked);
    const page = document.querySelector("[data-page]");
    if (page) { page.checked = ticked > 0 && ticked === all.length; page.indeterminate = ticked > 0 && ticked < all.length; }
    all.forEach((box) => box.closest("[data-row]").classList.toggle("ticked-row", box.checked));
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-page]")) boxes().forEach((box) => { box.checked = event.target.checked; });
    if (event.target.matches("[data-every]") && event.target.checked) boxes().forEach((box) => { box.checked = true; });
    if (event.target.matches('[data-page], [data-every], input[name="id"]')) show();
  });
  document.addEventListener("reset", (event) => { if (event.target.matches("[data-bulk]")) window.setTimeout(show, 0); });
  document.addEventListener("gateway:swapped", show);
  window.addEventListener("pageshow", show);
  show();

  // ---- letters that open a form for the row that was walked to
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.body.dataset.keys !== "on") return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select") || document.querySelector("dialog[open]")) return;
    const row = !event.defaultPrevented && /^[rtu]$/.test(event.key) && document.querySelector("[data-row].here");
    const link = row && row.querySelector(`[data-row-key="${event.key}"]`);
    if (link) { event.preventDefault(); link.click(); }
    const form = row && row.dataset[`form${event.key.toUpperCase()}`];
    if (form) { event.preventDefault(); if (!window.gateway.open?.(form)) location.assign(form); }
  });
  const copies = () => document.querySelectorAll("[data-copy]").forEach((each) => { each.hidden = !navigator.clipboard; });
  document.addEventListener("gateway:swapped", copies);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") document.querySelectorAll("details.more[open]").forEach((each) => { each.open = false; });
  });

  // ---- news
  const place = document.querySelector("[data-live]");
  if (!place) return;
  let told = 0, shown = 0;
  const paint = () => {
    const line = document.querySelector("[data-news]"), count = told - shown;
    if (!line) return;
    line.hidden = !count;
    line.querySelector("a").textContent = line.dataset.words.replace("{count}", count);
  };
  const news = (count) => {
    if (count === told) return;
    told = count;
    paint();
    if (told > shown) window.gateway?.tell(document.querySelector("[data-news] a")?.textContent);
  };
  // Asked for, they stand in the list; the count goes on from there.
  document.addEventListener("click", (event) => { if (event.target.closest("[data-news] a")) shown = told; }, true);
  document.addEventListener("gateway:swapped", paint);
  let timer = 0;
  const poll = async () => {
    if (document.hidden) return;
    const answer = await fetch(place.dataset.poll, { headers: { Accept: "application/json" }, redirect: "error" }).catch(() => null);
    if (!answer || answer.status === 401 || answer.status === 403) { window.clearInterval(timer); return; }
    if (answer.ok) news((await answer.json()).count);
  };
  const fall = () => { if (!timer) timer = window.setInterval(poll, 30000); };
  if (!window.EventSource) { fall(); return; }
  const line = window.gateway.line = new EventSource(place.dataset.live);
  line.addEventListener("news", (event) => news(Number(event.data)));
  line.addEventListener("over", () => { line.close(); fall(); });
  line.addEventListener("error", () => { if (line.readyState === EventSource.CLOSED) fall(); });
  window.addEventListener("pagehide", () => line.close());
})();
