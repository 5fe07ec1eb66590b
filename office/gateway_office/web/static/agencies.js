// Names of agencies while they are typed: a list under the field, gone through with the arrow keys, taken with Enter or a
// press. Without it a code or a name is typed whole, and the page says whom it found.
"use strict";
document.querySelectorAll("input[data-agencies]").forEach((input) => {
  const into = input.dataset.into ? document.querySelector(input.dataset.into) : null;
  const list = document.createElement("ul");
  Object.assign(list, { id: `${input.id}-offers`, className: "name-offers", hidden: true, role: "listbox" });
  list.setAttribute("aria-label", document.querySelector(`label[for="${input.id}"]`).textContent.trim());
  input.insertAdjacentElement("afterend", list);
  input.closest("[data-needs-script]")?.removeAttribute("hidden");
  for (const [name, value] of [["role", "combobox"], ["aria-expanded", "false"], ["aria-controls", list.id], ["aria-autocomplete", "list"]]) input.setAttribute(name, value);
  let at = -1, timer = 0;

  const shut = () => { list.hidden = true; at = -1; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
  const mark = (to) => {
    at = (to + list.children.length) % list.children.length;
    [...list.children].forEach((each, n) => each.setAttribute("aria-selected", String(n === at)));
    input.setAttribute("aria-activedescendant", list.children[at].id);
    list.children[at].scrollIntoView({ block: "nearest" });
  };
  const take = (offer) => {
    if (into) {
      into.value = `${into.value.trim()}\n${offer.dataset.value}\n`.trimStart();
      input.value = "";
    } else input.value = offer.dataset.value;
    shut();
  };
  const ask = async () => {
    const text = input.value.trim();
    if (text.length < 2) { shut(); return; }
    const answer = await fetch(`/co-quan/goi-y?q=${encodeURIComponent(text)}`, { headers: { "X-Piece": "1" } }).catch(() => null);
    if (!answer?.ok || text !== input.value.trim() || document.activeElement !== input) return;
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    list.replaceChildren(...found.querySelectorAll("li"));
    [...list.children].forEach((each, n) => { each.id = `${list.id}-${n}`; });
    at = -1;
    list.hidden = !list.children.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
  };
  input.addEventListener("input", () => { window.clearTimeout(timer); timer = window.setTimeout(ask, 150); });
  input.addEventListener("blur", () => { window.clearTimeout(timer); shut(); });
  // Before the field loses the focus, which shuts the list.
  list.addEventListener("mousedown", (event) => { event.preventDefault(); const offer = event.target.closest("li"); if (offer) take(offer); });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.ctrlKey && into) event.preventDefault();
    if (list.hidden) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); mark(event.key === "ArrowDown" ? at + 1 : Math.max(at, 0) - 1); }
    if (event.key === "Enter" && at >= 0) { event.preventDefault(); take(list.children[at]); }
    if (event.key === "Escape") { event.stopPropagation(); shut(); }
  });
});
