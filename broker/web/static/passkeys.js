// Passkeys: the one thing on our pages that needs a script. A form with data-passkey holds what to ask the browser for; its
// answer goes into the form, which is then sent like any other. Without a script, or without passkeys, the form stays hidden.
"use strict";

(() => {
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const opened = (list) => (list || []).map((item) => ({ ...item, id: bytes(item.id) }));

  const request = (options) => ({
    ...options, challenge: bytes(options.challenge), allowCredentials: opened(options.allowCredentials),
  });
  const creation = (options) => ({
    ...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: opened(options.excludeCredentials),
  });

  const answer = (credential) => {
    const found = { id: credential.id, rawId: text(credential.rawId), type: credential.type, response: {}, clientExtensionResults: {} };
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) found.response[name] = text(credential.response[name]);
    }
    return JSON.stringify(found);
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      if (form.elements.answer.value) return;
      event.preventDefault();
      const options = JSON.parse(form.dataset.options);
      const fault = form.querySelector("[data-fault]");
      fault.hidden = true;
      try {
        const credential = form.dataset.passkey === "create"
          ? await navigator.credentials.create({ publicKey: creation(options) })
          : await navigator.credentials.get({ publicKey: request(options) });
        form.elements.answer.value = answer(credential);
        form.submit();
      } catch {
        fault.hidden = false;
      }
    });
  }
})();
