// Draws the charts of a batch page with BokehJS, and gives them new columns when the page is renewed.

const main = document.querySelector("main[data-charts]");

async function draw() {
  const items = await (await fetch(main.dataset.charts)).json();
  for (const [id, item] of Object.entries(items)) {
    const place = document.getElementById(id);
    if (!place) continue;
    place.replaceChildren();
    await Bokeh.embed.embed_item(item, id);
  }
  main.dataset.drawn = String(document.querySelectorAll("[data-chart]").length);
}

function renew({ detail }) {
  const models = Object.entries(detail.sources ?? {}).map(([name, columns]) => [
    Bokeh.documents.map((each) => each.get_model_by_name(name)).find((model) => model !== null),
    columns,
  ]);
  if (models.some(([model, columns]) => !model && columns.day.length)) {
    location.reload();
    return;
  }
  for (const [model, columns] of models) if (model) model.data = columns;
}

if (main && document.querySelector("[data-chart]")) draw();
main?.addEventListener("renewed", renew);
