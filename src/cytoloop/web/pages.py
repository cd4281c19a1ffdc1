"""Pages: each takes a request, looks at the record once, and renders one template."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from cytoloop.app.audit.asked import stamp
from cytoloop.app.audit.export import to_csv, to_json
from cytoloop.app.permissions import ROLES
from cytoloop.app.settings import ZONE
from cytoloop.app.views import (
    Shelf,
    batch_list_view,
    batch_view,
    entry_view,
    lines_view,
    loop_view,
    recipe_view,
    record_view,
)
from cytoloop.app.views_audit import audit_rows, audit_view
from cytoloop.core.errors import CytoloopError, UserError
from cytoloop.core.words import Words
from cytoloop.web.audit import nothing_asked, query_of
from cytoloop.web.charts import chart_ids
from cytoloop.web.desk import Desk
from cytoloop.web.guard import is_stranger
from cytoloop.web.render import Render

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of one desk."""

    desk: Desk
    render: Render

    def loop(self, request: Request) -> Response:
        """The first page: the loop itself."""
        return self._page(request, "loop.html", view=self.desk.look(loop_view))

    def batches(self, request: Request) -> Response:
        """Every batch, or those of one line."""
        line = request.query_params.get("line") or None
        batches, lines, size = self.desk.look(
            lambda shelf: (batch_list_view(shelf, line=line), lines_view(shelf), shelf.size)
        )
        return self._page(request, "batches.html", batches=batches, lines=lines, line=line, size=size)

    def batch(self, request: Request) -> Response:
        """One batch; 404 when there is none of that number."""
        number = request.path_params["number"]
        view = self._found(lambda shelf: batch_view(shelf, number))
        return self._page(request, "batch.html", view=view, charts=chart_ids(view))

    def record(self, request: Request) -> Response:
        """One page of the record."""
        asked = request.query_params
        stream, name, page = asked.get("stream", ""), asked.get("name", ""), asked.get("page", "")
        number = int(page) if page.isdecimal() else 1
        view = self.desk.look(lambda shelf: record_view(shelf, page=number, stream=stream, name=name))
        return self._page(request, "record.html", view=view, at_page=_page_of(stream, name))

    def audit(self, request: Request) -> Response:
        """One page of the audit trail; with the reason and status 400 when what is asked for cannot be."""
        page = request.query_params.get("page", "")
        number, problem = int(page) if page.isdecimal() else 1, None
        try:
            query = query_of(request.query_params)
            view = self.desk.look(lambda shelf: audit_view(shelf, query.asked, page=number))
        except UserError as error:
            query, problem = nothing_asked(), error.words
            view = self.desk.look(lambda shelf: audit_view(shelf, query.asked))
        status = 400 if problem else 200
        tools = {"stamp": stamp, "roles": ROLES, "zones": (ZONE, "UTC")}
        return self._page(request, "audit.html", status, view=view, query=query, problem=problem, **tools)

    def audit_csv(self, request: Request) -> Response:
        """The audit trail asked for as CSV; 400 when it cannot be."""
        return self._taken_out(request, "csv")

    def audit_json(self, request: Request) -> Response:
        """The audit trail asked for as JSON; 400 when it cannot be."""
        return self._taken_out(request, "json")

    def entry(self, request: Request) -> Response:
        """One entry; 404 when the record is shorter."""
        sequence = request.path_params["sequence"]
        return self._page(request, "entry.html", view=self._found(lambda shelf: entry_view(shelf, sequence)))

    def recipes(self, request: Request) -> Response:
        """The recipe of the first line; a page that says so when there is none."""
        lines = self.desk.look(lines_view)
        if not lines:
            return self._page(request, "recipe.html", view=None, lines=lines)
        return RedirectResponse(f"/recipes/{lines[0].line}")

    def recipe(self, request: Request) -> Response:
        """The recipe of one line; 404 when the line has none."""
        line = request.path_params["line"]
        view, lines = self._found(lambda shelf: (recipe_view(shelf, line), lines_view(shelf)))
        return self._page(request, "recipe.html", view=view, lines=lines)

    def not_found(self, request: Request, _: Exception) -> Response:
        """What a visitor reads when nothing is at the address."""
        return self._page(request, "not_found.html", 404)

    def refused(self, request: Request, error: Exception) -> Response:
        """What a visitor reads when what they asked for was refused."""
        reason = _said(error)
        return self._page(request, "refused.html", 403, reason=reason)

    def unreadable(self, request: Request, error: Exception) -> Response:
        """What a visitor reads when the record cannot be shown; a stranger is not told where it is kept."""
        reason = None if is_stranger(request) else _said(error)
        return self._page(request, "unreadable.html", 500, reason=reason)

    def _taken_out(self, request: Request, form: str) -> Response:
        try:
            query = query_of(request.query_params)
            rows = self.desk.look(lambda shelf: list(audit_rows(shelf, query.asked)))
        except UserError as error:
            return PlainTextResponse(str(error), 400)
        headers = {"content-disposition": f'attachment; filename="audit.{form}"', "cache-control": "no-store"}
        if form == "json":
            return JSONResponse(to_json(rows, query.zone), headers=headers)
        return Response(to_csv(rows, query.zone), media_type="text/csv; charset=utf-8; header=present", headers=headers)

    def _found(self, view: Callable[[Shelf], T]) -> T:
        try:
            return self.desk.look(view)
        except UserError as error:
            raise HTTPException(404, str(error)) from error

    def _page(self, request: Request, template: str, status: int = 200, **values: object) -> Response:
        return self.render.page(request, template, status, **values)


def _said(error: Exception) -> Words:
    """What an error says to a person."""
    if isinstance(error, CytoloopError):
        return error.words
    return Words(en=error.detail if isinstance(error, HTTPException) else str(error), zh="")


def _page_of(stream: str, name: str) -> Callable[[int], str]:
    """Address of a page of the record with the filters kept."""

    def address(page: int) -> str:
        asked = {"stream": stream, "name": name, "page": str(page)}
        return "/record?" + urlencode({key: value for key, value in asked.items() if value})

    return address
