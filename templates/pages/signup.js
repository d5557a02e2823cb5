"use strict";
// Solves the sign-up form's proof of work, from when the form is first touched. Without this script the form works as
// well, only more rarely from one network.
(() => {
  const form = document.querySelector("form[data-challenge]");
  if (!form || !window.crypto || !crypto.subtle) return;
  const bytes = new TextEncoder();
  const proof = form.elements.altcha;
  // The house takes a proof for an hour, and an older one for a forgery.
  const lives = 45 * 60 * 1000;
  const framed = window.self !== window.top;
  let solving = null;
  let since = 0;

  async function hash(text) {
    const found = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.encode(text)));
    return Array.from(found, (one) => one.toString(16).padStart(2, "0")).join("");
  }

  async function solve() {
    const answer = await fetch(form.dataset.challenge, { cache: "no-store" });
    const { algorithm, challenge, salt, signature, maxnumber } = await answer.json();
    for (let number = 0; number <= maxnumber; number += 1) {
      if ((await hash(salt + number)) === challenge) {
        return btoa(JSON.stringify({ algorithm, challenge, number, salt, signature }));
      }
    }
    return "";
  }

  function begin() {
    if (solving && Date.now() - since < lives) return solving;
    since = Date.now();
    proof.value = "";
    solving = solve().then((solved) => { proof.value = solved; }, () => { solving = null; });
    return solving;
  }

  form.addEventListener("focusin", begin);
  form.addEventListener("submit", async (event) => {
    const solved = begin();
    // A frame's answer opens in another tab, which browsers allow only at the very press of the button: no waiting.
    // The frame stays, and what it carried is good for once: it fetches itself anew for the next address.
    if (framed) setTimeout(() => location.reload(), 1000);
    if (proof.value || framed) return;
    event.preventDefault();
    form.querySelector("button").disabled = true;
    await solved;
    form.submit();
  });
})();
