// The button that prints a page; without scripts it is not there, and the browser's own menu prints as well.
"use strict";
document.querySelectorAll("[data-print]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
});
