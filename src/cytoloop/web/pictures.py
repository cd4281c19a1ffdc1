"""Pictures of instructions: files of the pack, or of the data folder's `pictures/<recipe>/` for a pack of one's own."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

import cytoloop.packs
from cytoloop.app.asked import Asked

FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\.(png|jpg|jpeg|webp|svg)")
FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
SHIPPED = Path(cytoloop.packs.__file__).parent


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures that sheets show."""

    folder: Path
    """Data folder."""

    async def show(self, request: Request) -> Response:
        """One picture; 404 when there is none of that name."""
        recipe, name = request.path_params["recipe"], request.path_params["name"]
        if FILE.fullmatch(name) and FOLDER.fullmatch(recipe):
            for path in (self.folder / "pictures" / recipe / name, SHIPPED / recipe / "pictures" / name):
                if path.is_file():
                    return FileResponse(path, headers={"cache-control": "no-cache"})
        raise HTTPException(404, f"there is no picture {name} of {recipe}")


def pictures_of(asked: Asked) -> tuple[str, ...]:
    """Addresses of the pictures that go with what is asked."""
    given = asked.request.command.arguments.get("pictures")
    names = [each.get("file") if isinstance(each, dict) else each for each in given] if isinstance(given, list) else []
    recipe = quote(asked.batch.created.recipe)
    return tuple(f"/pictures/{recipe}/{quote(name)}" for name in names if isinstance(name, str))
