// The digest of a chosen file, computed in the browser: the file itself is sent nowhere.
(() => {
  "use strict";
  const file = document.getElementById("file"), digest = document.getElementById("ma"), problem = document.getElementById("file-problem");
  file.closest(".field").hidden = false;
  file.addEventListener("change", async () => {
    if (!file.files.length) return;
    try {
      const octets = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.files[0].arrayBuffer()));
      digest.value = Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");
      digest.form.requestSubmit();
    } catch { problem.hidden = false; }
  });
})();
