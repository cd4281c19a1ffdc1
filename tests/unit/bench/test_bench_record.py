"""`cytoloop bench record --quick`: every figure is measured, small."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess


def test_a_quick_run_gives_every_row(cytoloop: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    done = cytoloop("bench", "record", "--quick", "--json", "--scratch", tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told) == {"machine", "peers", "seed", "quick", "rows"}
    rows = told["rows"]
    names = ["id", "what", "value", "unit", "peer", "peer_value", "ratio", "goal", "met"]
    assert all(sorted(each) == sorted(names) for each in rows)
    assert {"D1 floor", "D1", "D2", "D3b"} <= {each["id"] for each in rows}
    assert all(each["value"] > 0 for each in rows)
    assert all(each["peer_value"] is None for each in rows if each["peer"] in {"DBOS", "eventsourcing", "pymerkle"})
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"
