"""Floor: the page of the line, running production as a picture."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cytoloop.adapters.clocks import FolderClock
from cytoloop.app.views_line import line_picture
from cytoloop.core.time import Clock
from cytoloop.web.desk import Desk
from cytoloop.web.render import Render
from cytoloop.web.work_forms import address_of, seen


@dataclass(frozen=True, slots=True)
class Floor:
    """The page of the line."""

    desk: Desk
    render: Render
    clock: Clock
    """The record's."""

    def line(self, request: Request) -> Response:
        """The picture of one production line, or of all."""
        line, now = request.query_params.get("line") or None, self.clock.now()
        view, size = self.desk.look(lambda shelf: (line_picture(shelf, now, line=line), shelf.size))
        runs = self.clock.line_runs if isinstance(self.clock, FolderClock) else None
        values: dict[str, object] = {
            "view": view,
            "line": line,
            "seen": seen(size, now),
            "address": address_of,
            "runs": runs,
        }
        return self.render.page(request, "line.html", 200, **values)

    def seen(self, _: Request) -> Response:
        """What an open page of the line, or of the work, asks by itself every few seconds."""
        now = self.clock.now()
        answer = {"entries": self.desk.look(lambda shelf: seen(shelf.size, now))}
        return JSONResponse(answer, headers={"cache-control": "no-store"})
