// Makes a sheet kind to gloves and scanners: Enter goes on to the next empty field, a sheet is sent once, and when the
// connection is lost the person sees whether the answer was taken. Without this file the sheet is a plain form.

let form = null;
const AGAIN = 2000;

function empty(field) {
  return field.required && field.type !== "radio" && !field.value.trim();
}

function onward(event) {
  if (event.key !== "Enter" || event.target.tagName !== "INPUT" || event.target.type === "radio") return;
  const next = [...form.elements].find((field) => field !== event.target && empty(field));
  if (!next) return;
  event.preventDefault();
  next.focus();
}

function tell(text) {
  const note = form.querySelector("[data-connection]");
  note.textContent = text;
  note.hidden = !text;
}

function busy(sending) {
  for (const button of form.querySelectorAll("button")) button.disabled = sending;
}

// Puts what the server said in place of the page, as a plain form would.
function show(reply, text) {
  if (reply.redirected) return location.assign(reply.url);
  const fresh = new DOMParser().parseFromString(text, "text/html");
  document.querySelector("main").replaceWith(document.adoptNode(fresh.querySelector("main")));
  document.querySelector("main [autofocus]")?.focus();
  document.querySelector("main [role=alert]")?.scrollIntoView({ block: "center" });
  begin();
}

async function taken() {
  const page = await fetch(form.action);
  const fresh = new DOMParser().parseFromString(await page.text(), "text/html");
  return !fresh.querySelector("form.sheet");
}

async function look() {
  try {
    if (await taken()) return location.assign(form.action);
    tell(form.dataset.notTaken);
    busy(false);
  } catch {
    setTimeout(look, AGAIN);
  }
}

async function send(event) {
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  busy(true);
  tell(form.dataset.sending);
  try {
    const reply = await fetch(form.action, { method: "POST", body });
    show(reply, await reply.text());
  } catch {
    tell(form.dataset.lost);
    look();
  }
}

function begin() {
  form = document.querySelector("form.sheet");
  form?.addEventListener("keydown", onward);
  form?.addEventListener("submit", send);
}

begin();
