"""Shadowing: what a controller in shadow mode would have made of finished batches, and what it is released for next.

A controller begins in shadow mode. Once batches have ended, a twin that saw them whole compares each with what the
shadow moves would have made of it; the comparison is part of what the person who releases the next version is shown.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from cytoloop.app.dataset import culture_began
from cytoloop.app.steering import release_limits
from cytoloop.core.batch import Batch
from cytoloop.core.facts.shadow import ControllerMode, ControllerReleased, ShadowCompared
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Signature
from cytoloop.core.time import hours_between
from cytoloop.feedback.control.controller import DURATION, IL2, PERFUSION, Controller, Gate
from cytoloop.feedback.control.shadow import counterfactual
from cytoloop.feedback.dataset import BatchHistory, Control
from cytoloop.feedback.twin import Twin
from cytoloop.record.ledger import Ledger


def figures(twin: Twin) -> dict[str, JSON]:
    """The controller's figures, as they are signed."""
    return Controller(twin, Gate(levers={}, duration=0.0)).document()


def controller_shown(mode: ControllerMode, twin: Twin, ledger: Ledger, stream: str) -> dict[str, JSON]:
    """What the person who releases a twin is shown of its controller."""
    shadows: list[JSON] = [
        {"batch": each.batch, "moves": each.moves, "gain": [each.gain.low, each.gain.median, each.gain.high]}
        for each in compared(ledger, stream)
    ]
    return {"figures": figures(twin), "released_for": mode, "shadow_record": shadows}


def controller_released(twin: Twin, mode: ControllerMode, shown: dict[str, JSON], by: Signature) -> ControllerReleased:
    """The controller's release, by the signature that released its twin."""
    record = shown["shadow_record"]
    count = len(record) if isinstance(record, list) else 0
    ground = f"shadow record of {count} batches" if count else "no shadow record yet"
    return ControllerReleased(sha256=digest(shown["figures"]), twin=twin.key, mode=mode, ground=ground, signature=by)


def compared(ledger: Ledger, stream: str) -> tuple[ShadowCompared, ...]:
    """The comparisons of this line, oldest first."""
    return tuple(each.fact for each in ledger.stream(stream) if isinstance(each.fact, ShadowCompared))


def mode_for(ledger: Ledger, stream: str) -> ControllerMode:
    """What the next version is put up for: moves, unless the shadow record is against it."""
    record = compared(ledger, stream)
    against = bool(record) and float(np.mean([each.gain.median for each in record])) < 0.0
    return "shadow" if against else "moves"


def shadows_compared(
    twin: Twin, pairs: Sequence[tuple[Batch, BatchHistory]], ledger: Ledger, stream: str, seed: int
) -> Iterator[ShadowCompared]:
    """Finished batches with shadow moves that nobody compared yet, judged by `twin`, which saw them whole."""
    known = {each.batch for each in compared(ledger, stream)}
    for batch, run in pairs:
        if batch.shadow_moves and batch.number not in known:
            yield _compared(twin, batch, run, seed)


def _compared(twin: Twin, batch: Batch, run: BatchHistory, seed: int) -> ShadowCompared:
    controls, harvest_at = _shadow_course(batch, run)
    found = counterfactual(
        twin, run, controls, harvest_at, release_limits(batch.master.product, batch.created.weight),
        generator=np.random.default_rng([seed, len(batch.shadow_moves), batch.shadow_moves[0].position]),
    )  # fmt: skip
    return ShadowCompared(
        batch=batch.number,
        moves=len(batch.shadow_moves),
        executed=found.executed,
        shadow=found.shadow,
        gain=found.gain,
        twin=twin.key,
        controller=batch.shadow_moves[-1].fact.controller,
    )


def _shadow_course(batch: Batch, run: BatchHistory) -> tuple[tuple[Control, ...], float]:
    """Set-points and harvest, had the shadow moves been made."""
    began, last = culture_began(batch), run.controls[-1]
    assert began is not None, "a batch without a culture has no history"
    rate, il2, duration = last.perfusion_rate, last.il2, batch.parameters[DURATION]
    controls = list(run.controls)
    for told in batch.shadow_moves:
        rate = told.fact.new if told.fact.parameter == PERFUSION else rate
        il2 = told.fact.new if told.fact.parameter == IL2 else il2
        duration = told.fact.new if told.fact.parameter == DURATION else duration
        at = hours_between(began, told.happened_at)
        controls = [each for each in controls if each.at < at] + [Control(at=at, perfusion_rate=rate, il2=il2)]
    return tuple(controls), run.start.expansion_at + duration
