"""Dataset tables: a folder of tables, exported or one's own, as the histories that a twin is fitted on."""

from pathlib import Path

from cytoloop.adapters.tables import read_tables
from cytoloop.app.dataset_check import read_manifest, values_of
from cytoloop.app.dataset_files import MANIFEST
from cytoloop.feedback.joined.csv import text_of
from cytoloop.feedback.joined.forms import BATCHES, PARAMETERS, RESULTS, TRAJECTORIES
from cytoloop.feedback.joined.history import TablesRead, read_batches


def batches_from_tables(folder: Path, product: str | None = None) -> TablesRead:
    """The batches in a folder of tables, with what they cannot teach; a dataset may be CSV or Parquet.

    `product` names the one that is learned from where there are several. UserError names file, line and column.
    """
    if (folder / MANIFEST).is_file():
        manifest = read_manifest(folder)
        wanted = (BATCHES, PARAMETERS, TRAJECTORIES, RESULTS)
        if any(file.endswith(".parquet") for file, _ in manifest.files.values()):
            tables = {f"{form.name}.csv": text_of(form, values_of(folder, manifest, form.name)) for form in wanted}
            return read_batches(tables, product)
    return read_batches(read_tables(folder), product)
