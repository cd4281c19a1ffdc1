"""Views: what the record says, shaped for people. Both faces (web, command line) show these and nothing else.

Every function takes a `Shelf` (the record, caught up) and returns frozen values; none writes.
"""

from cytoloop.app.views_batch import BatchView, batch_view
from cytoloop.app.views_loop import BatchLine, LineView, LoopView, batch_list_view, lines_view, loop_view
from cytoloop.app.views_record import EntryView, RecipeView, RecordView, entry_view, recipe_view, record_view
from cytoloop.app.views_shelf import Reader, Shelf

__all__ = [
    "BatchLine",
    "BatchView",
    "EntryView",
    "LineView",
    "LoopView",
    "Reader",
    "RecipeView",
    "RecordView",
    "Shelf",
    "batch_list_view",
    "batch_view",
    "entry_view",
    "lines_view",
    "loop_view",
    "recipe_view",
    "record_view",
]
