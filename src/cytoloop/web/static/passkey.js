// Asks a passkey where a form offers one, and sends its answer with the form. A form says what to ask in data-options
// (sign) and data-registration (make); the server checks the answer, this file decides nothing.

const able = window.PublicKeyCredential?.parseRequestOptionsFromJSON && window.isSecureContext;

async function answered(form) {
  const { options, registration } = form.dataset;
  const secret = form.elements.secret;
  if (options && form.elements.assertion && !secret?.value) {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(options));
    form.elements.assertion.value = JSON.stringify(await navigator.credentials.get({ publicKey }));
  }
  if (registration) {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(registration));
    form.elements.registration.value = JSON.stringify(await navigator.credentials.create({ publicKey }));
  }
}

for (const button of document.querySelectorAll("button[data-passkey]")) {
  const form = button.form;
  button.hidden = !able;
  form.querySelector("[data-passkey-unable]").hidden = Boolean(able);
  button.addEventListener("click", async () => {
    const who = form.elements.user ?? form.elements.signer;
    if (who && !who.reportValidity()) return;
    const problem = form.querySelector("[data-passkey-problem]");
    problem.hidden = true;
    button.disabled = true;
    try {
      await answered(form);
      form.noValidate = true;
      form.submit();
    } catch {
      problem.hidden = false;
      button.disabled = false;
    }
  });
}
