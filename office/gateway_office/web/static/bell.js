// The bell: how much is unread, told live over the one stream that a page has; and, for whoever asked for it in this
// browser, a sound and a notice of the system for express letters. Without it the number stands as the page came.
"use strict";
(() => {
  const bell = document.querySelector("[data-bell]");
  if (!bell) return;
  const CHOICE = "gw_aloud", RUNG = "gw_rung";
  const kept = {
    get: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
    set: (key, value) => { try { localStorage.setItem(key, value); } catch { /* a browser that keeps nothing asks again */ } },
  };
  const count = bell.querySelector("[data-count]"), list = bell.querySelector("[data-bell-list]");

  // ---- the newest, when somebody looks
  let isOld = false;
  const renew = async () => {
    if (!isOld) return;
    isOld = false;
    const answer = await window.gateway.ask(bell.dataset.list).catch(() => null);
    if (answer?.ok && answer.headers.get("X-Piece")) { list.innerHTML = await answer.text(); offer(); }
  };
  bell.addEventListener("toggle", () => { if (bell.open) renew(); });

  // ---- aloud
  const canSpeak = "Notification" in window && "AudioContext" in window;
  const isOn = () => kept.get(CHOICE) === "on";
  const offer = () => {
    const place = list.querySelector("[data-ask-aloud]");
    if (place) place.hidden = !canSpeak || kept.get(CHOICE) !== null;
  };
  const sound = () => {
    const context = new AudioContext();
    context.resume().then(() => {
      [[880, 0], [660, 0.22], [880, 0.44]].forEach(([tone, at]) => {
        const wave = context.createOscillator(), loud = context.createGain(), begin = context.currentTime + at;
        wave.frequency.value = tone;
        loud.gain.setValueAtTime(0.0001, begin);
        loud.gain.exponentialRampToValueAtTime(0.25, begin + 0.02);
        loud.gain.exponentialRampToValueAtTime(0.0001, begin + 0.2);
        wave.connect(loud).connect(context.destination);
        wave.start(begin);
        wave.stop(begin + 0.21);
      });
    }).catch(() => {});
    window.setTimeout(() => context.close().catch(() => {}), 1500);
  };
  const speak = (aloud) => {
    // Several pages are open: the first one speaks, and each letter is told once.
    if (!aloud || kept.get(RUNG) === aloud.id) return;
    kept.set(RUNG, aloud.id);
    window.gateway.tell(aloud.says);
    if (!isOn()) return;
    sound();
    if (canSpeak && Notification.permission === "granted") {
      const told = new Notification(aloud.says, { tag: aloud.id, icon: bell.dataset.icon });
      told.addEventListener("click", () => { window.focus(); location.assign(aloud.path); });
    }
  };
  // Asked by a press, once: what the person answers stays until they choose otherwise here.
  const turnOn = async () => {
    sound();
    const answer = await Notification.requestPermission().catch(() => "denied");
    kept.set(CHOICE, "on");
    offer();
    show(answer);
  };
  const choice = document.querySelector("[data-aloud-choice]");
  const show = (answer = canSpeak ? Notification.permission : "denied") => {
    if (!choice || !canSpeak) return;
    choice.hidden = false;
    choice.querySelector("span").textContent = !isOn() ? choice.dataset.off : answer === "denied" ? choice.dataset.refused : choice.dataset.on;
    choice.querySelector("[data-turn-on]").hidden = isOn();
    choice.querySelector("[data-turn-off]").hidden = !isOn();
  };
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-ask-aloud] button, [data-turn-on]")) turnOn();
    if (event.target.closest("[data-turn-off]")) { kept.set(CHOICE, "off"); show(); }
  });
  show();
  offer();

  // ---- news
  const news = (told) => {
    const text = String(told.count);
    if (count.textContent.replace(/\D/g, "") !== text) { count.textContent = text; isOld = true; if (bell.open) renew(); }
    count.classList.toggle("none", told.count === 0);
    speak(told.aloud);
  };
  if (bell.dataset.aloud) speak({ id: bell.dataset.aloud, says: bell.dataset.says, path: bell.dataset.path });
  let timer = 0;
  const poll = async () => {
    const answer = await fetch(bell.dataset.poll, { headers: { Accept: "application/json" }, redirect: "error" }).catch(() => null);
    if (!answer || answer.status === 401 || answer.status === 403) { window.clearInterval(timer); return; }
    if (answer.ok) { const told = await answer.json(); if (told.bell) news(told.bell); }
  };
  const fall = () => { if (!timer) timer = window.setInterval(poll, 30000); };
  // A list has a stream of its own, which brings the bell too.
  document.addEventListener("DOMContentLoaded", () => {
    const own = window.gateway.line;
    if (!window.EventSource) { fall(); return; }
    const line = own ?? new EventSource(bell.dataset.bell);
    line.addEventListener("bell", (event) => news(JSON.parse(event.data)));
    // What became of an act of this person is told where it was pressed.
    line.addEventListener("act", (event) => document.dispatchEvent(new CustomEvent("gateway:acted", { detail: JSON.parse(event.data) })));
    line.addEventListener("over", () => { line.close(); fall(); });
    line.addEventListener("error", () => { if (line.readyState === EventSource.CLOSED) fall(); });
    if (!own) window.addEventListener("pagehide", () => line.close());
  });
})();
