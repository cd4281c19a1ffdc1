"""Pages of proposals: what is proposed on what evidence, what it claims, and how the claim stands."""

from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cytoloop.app.views_proposal import proposal_view, proposals_view, withheld_view
from cytoloop.core.errors import UserError
from cytoloop.core.words import Words
from cytoloop.web.desk import Desk
from cytoloop.web.language import language_of
from cytoloop.web.lexicon import Lexicon
from cytoloop.web.proposal_charts import chart_id, proposal_charts
from cytoloop.web.render import Render


@dataclass(frozen=True, slots=True)
class Proposals:
    """The proposals of one desk."""

    desk: Desk
    render: Render
    lexicon: Lexicon

    def list(self, request: Request) -> Response:
        """Every proposal, and what was looked at without proposing anything."""
        found, withheld = self.desk.look(lambda shelf: (proposals_view(shelf), withheld_view(shelf)))
        return self.render.page(request, "proposals.html", proposals=found, withheld=withheld)

    def show(self, request: Request) -> Response:
        """One proposal; 404 when there is none of that name."""
        name = request.path_params["proposal"]
        try:
            view = self.desk.look(lambda shelf: proposal_view(shelf, name))
        except UserError as error:
            raise HTTPException(404, str(error)) from error
        return self.render.page(request, "proposal.html", view=view, chart_id=chart_id)

    def charts(self, request: Request) -> Response:
        """The charts of one proposal as BokehJS items; 404 when there is none of that name."""
        name, language = request.path_params["proposal"], language_of(request)

        def say(group: str, of: str, otherwise: Words | None) -> str:
            return self.lexicon.name(group, of, language, otherwise)

        def drawn() -> dict[str, Any]:
            return proposal_charts(self.desk.look(lambda shelf: proposal_view(shelf, name)), say)

        try:
            return JSONResponse(drawn(), headers={"cache-control": "no-store"})
        except UserError as error:
            return JSONResponse({"error": str(error)}, 404)
