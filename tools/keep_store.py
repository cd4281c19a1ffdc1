"""Keep a record that this release writes, for the tests of every later one: tests/data/stores/<release>/.

Run once when a release is made: `python tools/keep_store.py`. The record is a demonstration of one patient under one
checkpoint, with its telemetry; entries of kinds that it does not happen to have are read by the tests from where they
do occur.
"""

import gzip
import json
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from cytoloop import __version__

STORES = Path(__file__).parents[1] / "tests" / "data" / "stores"


def keep(path: Path, folder: Path) -> int:
    """Pack the database into `folder`, without anything beside it; the number of its format."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
        (number,) = database.execute("PRAGMA user_version").fetchone()
    (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    return int(number)


def main() -> None:
    """Write the store of this release; stops when it is there already, because a release is made once."""
    folder = STORES / __version__
    if folder.exists():
        sys.exit(f"{folder} is there already; a release's store is made once and never changed")
    with tempfile.TemporaryDirectory() as made:
        data = Path(made) / "data"
        cytoloop = [sys.executable, "-m", "cytoloop.cli.main"]
        subprocess.run([*cytoloop, "demo", "--patients", "1", "--no-serve", "--data", str(data)], check=True)
        note = [*cytoloop, "checkpoint", "publish", "--data", str(data), "--to", str(Path(made) / "note.txt")]
        subprocess.run(note, check=True)
        said = subprocess.run([*cytoloop, "verify", str(data), "--json"], check=True, capture_output=True).stdout
        folder.mkdir(parents=True)
        format_number = keep(data / "record.db", folder)
        keep(data / "telemetry.db", folder)
    verified = json.loads(said)
    expected = {"entries": verified["entries"], "format": format_number, "tree_head": verified["tree_head"]}
    (folder / "expected.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")
    print(f"{folder}: {verified['entries']} entries")


if __name__ == "__main__":
    main()
