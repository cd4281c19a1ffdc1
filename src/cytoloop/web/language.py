"""Which language a visitor reads: asked for in the address, remembered in a cookie, else the browser's own wish."""

from starlette.requests import Request

from cytoloop.core.words import LANGUAGES, Language

COOKIE = "lang"


def language_of(request: Request) -> Language:
    """The visitor's language; English when nothing is said."""
    for wish in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if wish in LANGUAGES:
            return wish
    return preferred(request.headers.get("accept-language", ""))


def preferred(accept: str) -> Language:
    """The best of our languages in an Accept-Language header (RFC 9110 §12.5.4); English when it names none."""
    wishes = [_wish(part) for part in accept.split(",") if part.strip()]
    for _, name in sorted(wishes, key=lambda wish: -wish[0]):
        if name in LANGUAGES:
            return name
    return "en"


def _wish(part: str) -> tuple[float, str]:
    name, _, weight = part.partition(";")
    try:
        quality = float(weight.strip().removeprefix("q=") or 1)
    except ValueError:
        quality = 0.0
    return quality, name.strip().lower().partition("-")[0]
