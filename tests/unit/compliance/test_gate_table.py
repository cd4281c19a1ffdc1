"""The change gate, row by row (DESIGN §5), and what must never happen whatever is asked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytoloop.compliance.gate import CREEP_BATCHES, GateQuestion, Kind, Model, Move, Protocol, judge
from cytoloop.core.recipe import Parameter
from cytoloop.core.words import Words

NOW = datetime(2026, 6, 10, 8, tzinfo=UTC)
PERFUSION = Parameter(
    words=Words(en="Perfusion", zh="灌流"),
    unit="1/d",
    target=0.5,
    nor=(0.45, 0.55),
    par=(0.0, 2.0),
    criticality="CPP",
    dossier_ref="DEMO",
)
IL2 = replace(PERFUSION, unit="IU/mL", target=100.0, nor=(90.0, 110.0), par=(20.0, 400.0))
MODEL = Model(version="twin@1", frozen=True, validated=True, released_at=NOW - timedelta(days=9), inputs_known=True)
PERFUSION_MOVE = Move(name="expansion.perfusion_rate", parameter=PERFUSION, old=0.5, new=0.8)
IL2_MOVE = Move(name="expansion.il2", parameter=IL2, old=100.0, new=150.0)
MOI_MOVE = Move(name="transduction.moi", parameter=PERFUSION, old=0.5, new=0.7)
ALLOWED = GateQuestion(
    kind="set-point",
    moves=(PERFUSION_MOVE,),
    by="controller",
    decree_818=True,
    filed_scope="ranges",
    model=MODEL,
    batch_started_at=NOW - timedelta(days=3),
    asked_at=NOW,
    triggered_by=17,
    reason="lactate is rising",
)


def moved(new: float, **changes: object) -> Move:
    values: dict[str, Any] = {"new": new, **changes}
    return replace(PERFUSION_MOVE, **values)


def with_parameter(**changes: object) -> Move:
    values: dict[str, Any] = changes
    return replace(PERFUSION_MOVE, parameter=replace(PERFUSION, **values))


def with_model(**changes: object) -> Model:
    values: dict[str, Any] = changes
    return replace(MODEL, **values)


DESIGN_SPACE = frozenset({"expansion.perfusion_rate", "expansion.il2"})
MET = Protocol(reference="PACMP-1", criteria_met=True, submitted=True)

TABLE: list[tuple[str, dict[str, Any], int, str]] = [
    ("it happened already", {"already_happened": True}, 1, "refuse"),
    ("a variation left the NOR", {"kind": "variation", "moves": (moved(0.6),)}, 1, "refuse"),
    ("a variation left the PAR", {"kind": "variation", "moves": (moved(2.5),)}, 1, "refuse"),
    ("happened, though a protocol covers it", {"already_happened": True, "protocol": MET}, 1, "refuse"),
    ("protocol met and submitted", {"protocol": MET}, 2, "apply"),
    ("protocol met, not submitted", {"protocol": replace(MET, submitted=False)}, 2, "open-a-change"),
    ("protocol not met goes on", {"protocol": replace(MET, criteria_met=False)}, 9, "apply"),
    ("protocol met, outside the PAR", {"protocol": MET, "moves": (moved(2.5),)}, 3, "refuse"),
    ("protocol met for a recipe", {"protocol": MET, "kind": "recipe"}, 2, "open-a-change"),
    ("outside the PAR", {"moves": (moved(2.1),)}, 3, "refuse"),
    ("below the PAR", {"moves": (moved(-0.1),)}, 3, "refuse"),
    ("no number", {"moves": (moved(float("nan")),)}, 3, "refuse"),
    ("outside the PAR, for a recipe", {"kind": "recipe", "moves": (moved(2.1),)}, 3, "open-a-change"),
    ("no dossier", {"moves": (with_parameter(dossier_ref=None),)}, 3, "refuse"),
    ("empty dossier", {"moves": (with_parameter(dossier_ref=""),)}, 3, "refuse"),
    ("no dossier, for a recipe", {"kind": "recipe", "moves": (with_parameter(dossier_ref=None),)}, 3, "refuse"),
    ("established condition", {"established": frozenset({"expansion.perfusion_rate"})}, 3, "refuse"),
    ("filed targets", {"filed_scope": "targets"}, 4, "ask-a-person"),
    ("filed scope unknown", {"filed_scope": None}, 4, "ask-a-person"),
    ("filed targets, substantive", {"filed_scope": "targets", "substantive": True}, 4, "open-a-change"),
    ("filed targets, answered no", {"filed_scope": "targets", "substantive": False}, 9, "apply"),
    ("filed targets, other law", {"filed_scope": "targets", "decree_818": False}, 9, "apply"),
    ("recipe not filed", {"filed_scope": "none"}, 9, "apply"),
    ("learning model", {"model": with_model(frozen=False)}, 5, "refuse"),
    (
        "learning model, not critical",
        {"model": with_model(frozen=False), "moves": (with_parameter(criticality="KPP"),)},
        6,
        "refuse",
    ),
    ("model not validated", {"model": with_model(validated=False)}, 6, "refuse"),
    ("model not released", {"model": with_model(released_at=None)}, 6, "refuse"),
    ("model released after the start", {"model": with_model(released_at=NOW)}, 6, "refuse"),
    ("batch start unknown", {"batch_started_at": None}, 6, "refuse"),
    ("inputs unknown to the model", {"model": with_model(inputs_known=False)}, 6, "refuse"),
    ("a new model", {"kind": "model", "moves": ()}, 6, "open-a-change"),
    ("a new learning model", {"kind": "model", "moves": (), "model": with_model(frozen=False)}, 5, "refuse"),
    ("two in one operation", {"moves": (PERFUSION_MOVE, IL2_MOVE)}, 7, "refuse"),
    ("second in one operation", {"off_target": ("expansion.il2",)}, 7, "refuse"),
    ("two, recipe", {"moves": (PERFUSION_MOVE, IL2_MOVE), "kind": "recipe"}, 7, "open-a-change"),
    (
        "two, space holds one only",
        {"moves": (PERFUSION_MOVE, IL2_MOVE), "design_space": frozenset({"expansion.il2"})},
        7,
        "refuse",
    ),
    ("two in a design space", {"moves": (PERFUSION_MOVE, IL2_MOVE), "design_space": DESIGN_SPACE}, 8, "apply"),
    (
        "two in a design space, recipe",
        {"moves": (PERFUSION_MOVE, IL2_MOVE), "design_space": DESIGN_SPACE, "kind": "recipe"},
        8,
        "open-a-change",
    ),
    ("one in its PAR", {}, 9, "apply"),
    ("one in its NOR", {"moves": (moved(0.52),)}, 9, "apply"),
    ("at the edge of the PAR", {"moves": (moved(2.0, old=1.6),)}, 9, "apply"),
    ("one each in two operations", {"moves": (PERFUSION_MOVE, MOI_MOVE)}, 9, "apply"),
    ("other operation off target", {"off_target": ("transduction.moi",)}, 9, "apply"),
    ("the same one again", {"off_target": ("expansion.perfusion_rate",)}, 9, "apply"),
    ("back to target, other off", {"moves": (moved(0.5, old=0.8),), "off_target": ("expansion.il2",)}, 9, "apply"),
    ("one target, recipe", {"kind": "recipe"}, 9, "open-a-change"),
    ("by a person", {"by": "person", "model": None}, 9, "apply"),
    ("variation in the NOR", {"kind": "variation", "moves": (moved(0.52),)}, 10, "trend"),
    ("nothing moved", {"moves": ()}, 10, "trend"),
]

GUARDS: list[tuple[str, dict[str, Any], str]] = [
    ("a person took over", {"overridden": True}, "refuse"),
    ("a controller without a model", {"model": None}, "refuse"),
    ("no triggering entry", {"triggered_by": None}, "refuse"),
    ("no reason", {"reason": " "}, "refuse"),
    ("too far at once", {"moves": (moved(1.1),)}, "refuse"),
    ("too soon", {"last_moved_at": {"expansion.perfusion_rate": NOW - timedelta(hours=11.9)}}, "refuse"),
    ("soon enough", {"last_moved_at": {"expansion.perfusion_rate": NOW - timedelta(hours=12)}}, "apply"),
    ("creep", {"moves": (moved(0.6, recent=(0.6,) * (CREEP_BATCHES - 1)),)}, "open-a-change"),
    ("too few for creep", {"moves": (moved(0.6, recent=(0.6,) * (CREEP_BATCHES - 2)),)}, "apply"),
    ("no creep in the mean", {"moves": (moved(0.6, recent=(0.5,) * (CREEP_BATCHES - 1)),)}, "apply"),
]


@pytest.mark.parametrize(("what", "changes", "row", "answer"), TABLE, ids=[each[0] for each in TABLE])
def test_the_first_row_that_matches_answers(what: str, changes: dict[str, Any], row: int, answer: str) -> None:
    found = judge(replace(ALLOWED, **changes))
    assert (found.row, found.answer) == (row, answer), found.reason
    assert found.reason


@pytest.mark.parametrize(("what", "changes", "answer"), GUARDS, ids=[each[0] for each in GUARDS])
def test_a_guard_stops_what_a_row_would_let_through(what: str, changes: dict[str, Any], answer: str) -> None:
    found = judge(replace(ALLOWED, **changes))
    assert (found.row, found.answer) == (9, answer), found.reason


def test_every_row_of_the_table_is_reached() -> None:
    assert {row for _, _, row, _ in TABLE} == set(range(1, 11))


PARAMETERS = st.builds(
    lambda low, width, dossier, criticality: replace(
        PERFUSION,
        target=low + width / 2,
        nor=(low + width * 0.45, low + width * 0.55),
        par=(low, low + width),
        dossier_ref=dossier,
        criticality=criticality,
    ),
    st.floats(-10, 10),
    st.floats(0.1, 10),
    st.sampled_from([None, "", "DEMO"]),
    st.sampled_from(["CPP", "KPP", "non-critical"]),
)
MOVES = st.builds(
    Move,
    name=st.sampled_from(["expansion.a", "expansion.b", "activation.a"]),
    parameter=PARAMETERS,
    old=st.floats(-20, 20),
    new=st.floats(-20, 20, allow_nan=False) | st.just(float("nan")),
)
QUESTIONS = st.builds(
    GateQuestion,
    kind=st.sampled_from(["variation", "set-point", "set-point", "recipe", "model"]),
    moves=st.lists(MOVES, max_size=3, unique_by=lambda move: move.name).map(tuple),
    by=st.sampled_from(["controller", "person"]),
    already_happened=st.booleans(),
    protocol=st.none()
    | st.builds(Protocol, reference=st.just("P"), criteria_met=st.booleans(), submitted=st.booleans()),
    established=st.frozensets(st.sampled_from(["expansion.a", "activation.a"])),
    decree_818=st.booleans(),
    filed_scope=st.sampled_from(["targets", "ranges", "none", None]),
    substantive=st.sampled_from([True, False, None]),
    model=st.none() | st.just(MODEL) | st.builds(replace, st.just(MODEL), frozen=st.booleans()),
    batch_started_at=st.sampled_from([NOW, None]),
    off_target=st.lists(st.sampled_from(["expansion.a", "expansion.c"]), unique=True).map(tuple),
    design_space=st.frozensets(st.sampled_from(["expansion.a", "expansion.b", "expansion.c"])),
    asked_at=st.just(NOW),
    triggered_by=st.sampled_from([3, None]),
    reason=st.sampled_from(["because", ""]),
    overridden=st.booleans(),
)


@settings(deadline=None, max_examples=500)
@given(QUESTIONS)
def test_nothing_is_applied_outside_its_range_or_without_its_papers(question: GateQuestion) -> None:
    found = judge(question)
    assert 1 <= found.row <= 10
    if found.answer != "apply":
        return
    assert question.kind == "set-point"
    assert not question.already_happened
    assert not question.overridden
    assert question.triggered_by is not None
    assert question.by == "person" or (question.model is not None and question.model.frozen)
    for move in question.moves:
        low, high = move.parameter.par
        assert low <= move.new <= high
        assert move.parameter.dossier_ref


@settings(deadline=None)
@given(st.sampled_from(["set-point", "recipe"]), st.floats(0, 2), st.floats(0, 2))
def test_an_allowed_move_is_allowed_only_as_far_as_the_rate_limit(kind: Kind, old: float, new: float) -> None:
    found = judge(replace(ALLOWED, kind=kind, moves=(moved(new, old=old),)))
    near = abs(new - old) <= 0.5 * (1 + 1e-9)
    expected = "open-a-change" if kind == "recipe" else "apply" if near else "refuse"
    assert (found.row, found.answer) == (9, expected)
