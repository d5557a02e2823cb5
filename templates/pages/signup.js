"use strict";
// Solves the sign-up form's proof of work once its button is pressed. Without this script the form works as well,
// only more rarely from one network.
(() => {
  const form = document.querySelector("form[data-challenge]");
  if (!form || !window.crypto || !crypto.subtle) return;
  const bytes = new TextEncoder();
  const proof = form.elements.altcha;

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

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    form.querySelector("button").disabled = true;
    try {
      proof.value = await solve();
    } catch {
      proof.value = "";
    }
    form.submit();
  });
})();
