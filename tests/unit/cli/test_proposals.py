"""`cytoloop proposal`: a table or JSON of proposals with their claims, and one of them whole."""

import json
from pathlib import Path

import pytest

from cytoloop.cli.main import run

NAME = "PROP-CLOSED-LOOP-001-003"


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["proposal", *arguments]) == 0
    return capsys.readouterr().out


def test_proposals_are_listed_and_shown(demo_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--data", str(demo_folder))
    listed = json.loads(said(capsys, "list", *data, "--json"))
    (brief,) = listed["proposals"]
    assert (brief["proposal"], brief["state"], brief["claim"], brief["after"]) == (NAME, "signed", "open", 0)
    assert json.loads(said(capsys, "list", *data, "--line", "fixed", "--json"))["proposals"] == []
    view = json.loads(said(capsys, "show", NAME, *data, "--json"))
    assert [each["known"] for each in view["evidence"]] == [True, True, True]
    assert view["claim"]["claimed"]["rule_sha256"] == view["change"]["claim_sha256"]
    assert view["attributes"][0]["role"] == "claimed"
    assert "检验中" in said(capsys, "show", NAME, *data, "--lang", "zh")


def test_a_proposal_that_is_not_there_is_said_so(demo_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["proposal", "show", "PROP-X", "--data", str(demo_folder)]) == 2
    assert "there is no proposal 'PROP-X'" in capsys.readouterr().err
