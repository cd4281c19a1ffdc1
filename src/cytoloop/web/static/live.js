// Keeps an open page true: asks every few seconds whether entries were appended, and if so puts the new regions of
// the page in place of the old ones. Folded parts stay as the reader left them.

const EVERY = 3000;
// A page that renews itself is nobody asking: it keeps no session alive.
const BY_ITSELF = { headers: { "x-cytoloop-live": "1" } };
const main = document.querySelector("main[data-live]");
const pulse = document.getElementById("pulse");

function tell(alive) {
  pulse.hidden = false;
  pulse.classList.toggle("lost", !alive);
  pulse.textContent = alive ? pulse.dataset.liveText : pulse.dataset.lostText;
}

async function renewRegions() {
  const page = await (await fetch(location.href, BY_ITSELF)).text();
  const fresh = new DOMParser().parseFromString(page, "text/html");
  for (const region of document.querySelectorAll("[data-region]")) {
    const next = fresh.getElementById(region.id);
    if (!next || region.contains(document.activeElement) && region.querySelector("form")) continue;
    for (const fold of region.querySelectorAll("details[open][id]")) next.querySelector(`#${CSS.escape(fold.id)}`)?.setAttribute("open", "");
    region.replaceWith(document.adoptNode(next));
  }
}

async function look() {
  try {
    const reply = await fetch(`${main.dataset.live}?seen=${main.dataset.seen}`, BY_ITSELF);
    if (reply.status === 401) return location.reload();
    const answer = await reply.json();
    tell(true);
    if (String(answer.entries) === main.dataset.seen) return;
    await renewRegions();
    main.dataset.seen = String(answer.entries);
    main.dispatchEvent(new CustomEvent("renewed", { detail: answer }));
  } catch {
    tell(false);
  }
}

if (main) {
  tell(true);
  const again = async () => {
    if (!document.hidden) await look();
    setTimeout(again, EVERY);
  };
  setTimeout(again, EVERY);
}
