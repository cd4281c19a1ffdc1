"""Reading the real tables: what is settled, and what is refused."""

from pathlib import Path

import pytest

from cytoloop.adapters.tables import read_tables
from cytoloop.core.errors import UserError
from cytoloop.feedback.published.tcell_guide import ACTIVATION, IL2_DOSES, IL2_LONG, MEMORY, Guide, read_guide

HEAD = "Donor\tCondition\tDay\tCount\tTotal volume (ml)\tLive count per ml\tLive fraction\tTotal cells"
LONG = "Donor\tDay\tCondition\tReplicate\tCount No\tLive count\tLive Fraction\tDilution"
DOSES = "donor id\tIL-2 conct\tlive count (cells/ml)\tlive %\tsize (um)\tIL2 Source\tReplicate"


def activation(*rows: str, head: str = HEAD) -> Guide:
    """The guide with only these rows of the activation table."""
    return read_guide({ACTIVATION: "\n".join([head, *rows])})


@pytest.mark.parametrize("spelling", ["D10", "Donor 10", "10", "d10", "donor10"])
def test_a_donor_has_one_spelling(spelling: str) -> None:
    guide = activation(f"{spelling}\tThawed\tD1\t1\t4.5\t2.0E+06\t0.98\t9E+06")
    assert [count.donor for count in guide.counts] == ["D10"]
    assert ("donor spellings settled" in guide.notes[0]) == (spelling != "D10")


def test_percents_and_fractions_meet() -> None:
    row = "D8\tThawed\tD1\t1\t4.5\t2.0E+06\t{}\t9E+06"
    fraction, percent = activation(row.format("0.98")), activation(row.format("98"))
    assert fraction.counts[0].viability == pytest.approx(percent.counts[0].viability) == pytest.approx(0.98)
    assert any("percents, divided by 100" in note for note in percent.notes)
    assert any("fractions, kept" in note for note in fraction.notes)


def test_a_diluted_count_is_multiplied_back() -> None:
    guide = read_guide({IL2_LONG: f"{LONG}\nD14\t8\t+IL2\tr1\t1\t4.0E+05\t0.6\t3\n"})
    assert guide.counts[0].density == pytest.approx(1.2)
    assert any("multiplied by their dilution (3)" in note for note in guide.notes)


def test_an_outlier_beside_its_repeats_is_named_and_left_out() -> None:
    rows = [f"D14\t5\t+IL2\tr{n}\t1\t1.1E+06\t0.7\t1" for n in (1, 2, 3)]
    guide = read_guide({IL2_LONG: "\n".join([LONG, *rows, "D14\t5\t+IL2\tr3\t2\t2.0E+05\t0.11\t1"])})
    assert len(guide.of(IL2_LONG)) == 3
    assert any("line 5" in note and "outlier" in note for note in guide.notes)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("D8\tThawed\tD1\t1\t4.5\tmany\t0.98\t9E+06", "line 2, column 'Live count per ml': 'many'"),
        ("D8\tThawed\tD1\t1\t4.5\t0\t0.98\t9E+06", "expected a count above 0"),
        ("D8\tThawed\tD1\t1\t4.5\t2E+06\t980\t9E+06", "column 'Live fraction': '980'"),
        ("mouse\tThawed\tD1\t1\t4.5\t2E+06\t0.98\t9E+06", "line 2, column 'Donor': 'mouse'"),
        ("D8\tThawed\tlate\t1\t4.5\t2E+06\t0.98\t9E+06", "line 2, column 'Day': 'late'"),
        ("D8\tThawed\tD1\t1\t4.5\t2E+06", "line 2: 6 cells, expected 8"),
        ("D8\tThawed\tD1\t1\t4.5\t-2E+06\t0.98\t9E+06", "expected a number from 0 up"),
    ],
)
def test_what_cannot_be_read_is_named_by_file_line_and_column(row: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        activation(row)
    assert str(caught.value).startswith(ACTIVATION)
    assert said in str(caught.value)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(UserError, match="column 'Live fraction' is missing; found Donor"):
        activation("D8\tThawed", head="Donor\tCondition\tDay\tCount\tLive count per ml")


def test_an_unknown_unit_is_named() -> None:
    text = f"{DOSES.replace('cells/ml', 'furlongs')}\n4\t500\t500000\t87\t14\tSigma\tR1\n"
    with pytest.raises(UserError, match="unit 'furlongs' is not known as 1e6 cells/mL"):
        read_guide({IL2_DOSES: text})


def test_another_known_unit_is_converted() -> None:
    text = f"{DOSES.replace('cells/ml', 'cells/ul')}\n4\t500\t500\t87\t14\tSigma\tR1\n"
    assert read_guide({IL2_DOSES: text}).counts[0].density == pytest.approx(0.5)


@pytest.mark.parametrize("text", ["", HEAD, HEAD + "\n"])
def test_a_table_without_rows_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=ACTIVATION):
        read_guide({ACTIVATION: text})


def test_a_folder_of_other_tables_is_refused() -> None:
    with pytest.raises(UserError, match="none of the guide's tables"):
        read_guide({"prices.csv": "a,b\n1,2\n"})


def test_the_real_tables_are_settled(shared: Path) -> None:
    guide = read_guide(read_tables(shared / "data" / "tcell_guide"))
    assert len(guide.counts) == 36 + 96 + 48
    assert guide.spellings["D4"] == ("4", "D4")
    assert sum(count.outlier for count in guide.counts) == 3
    assert all(0 <= share.value <= 1 for share in guide.shares)
    assert set(guide.shares_of("memory_fraction")) == {"D8", "D9", "D10", "D11", "D12", "D15"}
    assert guide.shares_of("memory_fraction")["D8"] == pytest.approx(0.755)
    assert MEMORY in {share.table for share in guide.shares}


def test_tables_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.tsv").write_text("x\ty\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("no table", encoding="utf-8")
    assert read_tables(tmp_path) == {"a/one.tsv": "x\ty\n"}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        read_tables(tmp_path / "gone")
    with pytest.raises(UserError, match="holds no"):
        read_tables(tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_bytes(b"a,b\n\xff\xfe\x00,1\n")
    with pytest.raises(UserError, match="not UTF-8"):
        read_tables(tmp_path)
