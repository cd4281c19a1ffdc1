"""A codec that nobody here wrote reads our payloads as we mean them, and we read its.

It is pysparkplug, over Google's protobuf. It needs an older paho than we do, so that it lives in an environment of its
own, made as those of the benchmarks' peers are; without an index to install from, the tests say so and are skipped.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.unit.sparkplug.payloads import typed_metrics

from cytoloop.adapters.sparkplug.codec import decode, encode
from cytoloop.adapters.sparkplug.payload import DataType, Metric, Payload
from cytoloop.adapters.sparkplug.values import value_of
from cytoloop.bench.peers import Peers, cache_folder
from cytoloop.core.json import JSON

Row = tuple[DataType, Any, Metric]
few = settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
"""Each example is a process: a failing one is shown as it is."""
many_payloads = st.lists(typed_metrics(), min_size=1, max_size=10)
"""Every type that the peer knows, several times."""


@pytest.fixture(scope="module")
def peers() -> Peers:
    return Peers(cache_folder())


def through(peers: Peers, folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """What the peer makes of it."""
    file = folder / "asked.json"
    file.write_text(json.dumps(asked), encoding="utf-8")
    told = peers.run("pysparkplug", "pysparkplug_payloads.py", {"file": str(file)})
    if told is None:
        pytest.skip(peers.notes[-1])
    return dict(told)


def plain(value: Any) -> JSON:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return [plain(each) for each in value] if isinstance(value, tuple) else value


@few
@given(many_payloads)
def test_it_reads_what_we_write(peers: Peers, tmp_path: Path, payloads: list[list[Row]]) -> None:
    ours = [encode(Payload(timestamp=1, metrics=tuple(each for *_, each in rows), seq=2)) for rows in payloads]
    found = through(peers, tmp_path, {"read": [base64.b64encode(each).decode() for each in ours], "write": []})["read"]
    assert found == [
        [[each.name, int(kind), plain(value), each.timestamp] for kind, value, each in rows] for rows in payloads
    ]


@few
@given(many_payloads)
def test_we_read_what_it_writes(peers: Peers, tmp_path: Path, payloads: list[list[Row]]) -> None:
    asked = [[[each.name, int(kind), plain(value), each.timestamp] for kind, value, each in rows] for rows in payloads]
    for rows, data in zip(payloads, through(peers, tmp_path, {"read": [], "write": asked})["write"], strict=True):
        payload = decode(base64.b64decode(data))
        assert (payload.timestamp, payload.seq) == (7, 3)
        found = [(each.name, each.timestamp, value_of(each.datatype or 0, each.held)) for each in payload.metrics]
        assert found == [(each.name, each.timestamp, value) for _, value, each in rows]


def test_it_says_the_same_of_a_payload_that_ours_wrote_again(peers: Peers, tmp_path: Path) -> None:
    """Byte for byte: reading what it writes and writing that gives what it wrote."""
    rows = [["a", 10, 1.5, 3], ["b", 12, "text", 4], ["c", 3, -5, 5], ["d", 11, True, 6]]
    (written,) = through(peers, tmp_path, {"read": [], "write": [rows]})["write"]
    assert encode(decode(base64.b64decode(written))) == base64.b64decode(written)
