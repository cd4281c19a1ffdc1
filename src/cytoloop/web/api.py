"""The same views as JSON, for live pages and machines. A caller who has `seen` everything is told so and no more."""

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cytoloop.app.outcomes import document, outcome_report
from cytoloop.app.views import BatchView, LoopView, Shelf, batch_view, loop_view
from cytoloop.core.errors import UserError
from cytoloop.core.words import Words
from cytoloop.web.charts import charts, sources
from cytoloop.web.desk import Desk
from cytoloop.web.language import language_of
from cytoloop.web.lexicon import Lexicon

LOOP = TypeAdapter(LoopView)
BATCH = TypeAdapter(BatchView)


@dataclass(frozen=True, slots=True)
class Api:
    """The JSON answers of one desk."""

    desk: Desk
    lexicon: Lexicon

    def loop(self, request: Request) -> Response:
        """The loop view; only its number of entries when nothing was appended since `?seen=`."""
        seen = request.query_params.get("seen")

        def answer(shelf: Shelf) -> dict[str, Any]:
            if str(shelf.size) == seen:
                return {"entries": shelf.size}
            return {"entries": shelf.size, "view": LOOP.dump_python(loop_view(shelf), mode="json")}

        return _json(self.desk.look(answer))

    def outcome(self, request: Request) -> Response:
        """The outcome report, of all lines or of `?line=`; 404 when there is none of that name."""
        line = request.query_params.get("line") or None
        return self._answered(lambda shelf: document(outcome_report(shelf, line=line)))

    def batch(self, request: Request) -> Response:
        """One batch's view with the columns of its charts; 404 when there is none of that number."""
        number, seen = request.path_params["number"], request.query_params.get("seen")

        def answer(shelf: Shelf) -> dict[str, Any]:
            entries = shelf.batch(number).position
            if str(entries) == seen:
                return {"entries": entries}
            view = batch_view(shelf, number)
            return {"entries": entries, "view": BATCH.dump_python(view, mode="json"), "sources": sources(view)}

        return self._answered(answer)

    def charts(self, request: Request) -> Response:
        """The charts of one batch as BokehJS items; 404 when there is none of that number."""
        number, language = request.path_params["number"], language_of(request)

        def say(group: str, of: str, otherwise: Words | None) -> str:
            return self.lexicon.name(group, of, language, otherwise)

        return self._answered(lambda shelf: charts(batch_view(shelf, number), say))

    def _answered(self, answer: Any) -> Response:
        try:
            return _json(self.desk.look(answer))
        except UserError as error:
            return _json({"error": str(error)}, 404)


def _json(content: Any, status: int = 200) -> Response:
    return JSONResponse(content, status, headers={"cache-control": "no-store"})
