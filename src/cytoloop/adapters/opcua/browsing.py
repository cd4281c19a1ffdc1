"""Browsing and reading many nodes in one request."""

from collections.abc import Sequence
from typing import Any

from cytoloop.adapters.opcua.library import library

HIERARCHICAL, HAS_SUBTYPE = 33, 45
Child = Any
"""A ReferenceDescription."""


async def below(client: Any, nodes: Sequence[Any]) -> list[list[Child]]:
    """Children of each node, one request for all and one for each further page."""
    if not nodes:
        return []
    ua, session = library().ua, client.uaclient.session
    parameters = ua.BrowseParameters(View=ua.ViewDescription(), RequestedMaxReferencesPerNode=0)
    parameters.NodesToBrowse = [_description(node, HIERARCHICAL, ua.BrowseDirection.Forward) for node in nodes]
    pages = await session.browse(parameters)
    found = [list(page.References or ()) for page in pages]
    while any(page.ContinuationPoint for page in pages):
        places = [place for place, page in enumerate(pages) if page.ContinuationPoint]
        points = [pages[place].ContinuationPoint for place in places]
        more = await session.browse_next(ua.BrowseNextParameters(ContinuationPoints=points))
        for place, page in zip(places, more, strict=True):
            found[place] += page.References or ()
            pages[place] = page
    return found


async def values(client: Any, nodes: Sequence[Any]) -> list[Any]:
    """Values of nodes in one request; None for a node that is None or gives none."""
    ua, known = library().ua, [node for node in nodes if node is not None]
    if not known:
        return [None] * len(nodes)
    read = iter(await client.uaclient.session.read_attributes(known, ua.AttributeIds.Value))
    found = [next(read) if node is not None else None for node in nodes]
    return [each.Value.Value if each is not None and each.Value is not None else None for each in found]


async def texts(client: Any, nodes: Sequence[Any]) -> list[str]:
    return [str(value) if value else "" for value in await values(client, nodes)]


async def is_a(client: Any, kind: Any, wanted: Any) -> bool:
    """Whether a type is the wanted one or a subtype of it: vendors derive their own."""
    ua = library().ua
    while kind is not None and not kind.is_null():
        if kind == wanted:
            return True
        parameters = ua.BrowseParameters(View=ua.ViewDescription(), RequestedMaxReferencesPerNode=0)
        parameters.NodesToBrowse = [_description(kind, HAS_SUBTYPE, ua.BrowseDirection.Inverse)]
        (page,) = await client.uaclient.session.browse(parameters)
        kind = page.References[0].NodeId if page.References else None
    return False


def _description(node: Any, reference: int, direction: Any) -> Any:
    ua = library().ua
    described = ua.BrowseDescription()
    described.NodeId, described.ReferenceTypeId, described.IncludeSubtypes = node, ua.NodeId(reference), True
    described.BrowseDirection, described.NodeClassMask = direction, 0
    described.ResultMask = ua.BrowseResultMask.All
    return described


def named(children: Sequence[Child]) -> dict[str, Any]:
    """Browse name -> NodeId; the first of a name."""
    found: dict[str, Any] = {}
    for each in children:
        found.setdefault(str(each.BrowseName.Name), each.NodeId)
    return found
