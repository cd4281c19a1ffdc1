"""Campaign files: a campaign in a folder: its plan, the parts that are done, and at the end its tables and manifest."""

import csv
import io
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import cast

import numpy as np

from cytoloop.adapters.files import keep
from cytoloop.adapters.tables import to_parquet
from cytoloop.app.campaign import BLOCK, GOOD, YIELD, Subject, Workers, run, setting_of
from cytoloop.app.campaign_tables import effect_rows, summary_rows
from cytoloop.app.campaign_work import Done, Row, Setting
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, canonical
from cytoloop.feedback.in_silico.plan import CampaignPlan
from cytoloop.feedback.in_silico.sensitivity import Floats

PLAN, PARTS, MANIFEST = "plan.json", "parts", "manifest.json"
SCHEMA = "cytoloop-campaign/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A campaign that has its folder."""

    folder: Path
    plan: CampaignPlan
    subject: Subject
    setting: Setting

    @property
    def done(self) -> int:
        """Batches in parts that are kept."""
        return sum(len(each.rows) for each in self.kept().values())

    def kept(self) -> dict[int, Done]:
        """The parts that are whole and of this plan, by their first batch."""
        found = (_part(path, self.plan.sha256) for path in sorted((self.folder / PARTS).glob("*.json")))
        return {each.first: each for each in found if each is not None}

    def keep(self, done: Done) -> None:
        """Keep a part, whole or not at all."""
        rows: JSON = [dict(row) for row in done.rows]
        part = canonical({"plan": self.plan.sha256, "first": done.first, "rows": rows})
        keep(self.folder / PARTS / f"{done.first:09d}.json", part, mode=0o644)


def begin(folder: Path, subject: Subject, plan: CampaignPlan) -> Begun:
    """Begin a campaign in a new folder; the plan is completed by what its batches are made with."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not empty; name a new folder with --out, or go on with --resume {folder}")
    setting, named = setting_of(subject, list(plan.space), plan.seed)
    begun = Begun(folder=folder, plan=replace(plan, subject=named), subject=subject, setting=setting)
    document: dict[str, JSON] = {"format": SCHEMA, "block": BLOCK, "subject": subject.document()}
    keep(folder / PLAN, canonical({**document, "plan": begun.plan.document()}) + b"\n", mode=0o644)
    return begun


def resumed(folder: Path) -> Begun:
    """The campaign of a folder, to go on with; UserError when there is none, or what it ran on has changed since."""
    try:
        held = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        told, subject = held["plan"], Subject(**held["subject"])
        space = {name: (low, high) for name, (low, high) in told["space"].items()}
        plan = CampaignPlan(**{**told, "space": space})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder} holds no campaign that was begun ({type(error).__name__}); begin one: --out"
        ) from error
    setting, named = setting_of(subject, list(space), plan.seed)
    changed = [name for name, value in named.items() if plan.subject.get(name) != value]
    if changed or held["block"] != BLOCK:
        raise UserError(
            f"since the campaign in {folder} was begun, {', '.join(changed) or 'the size of a part'} changed: its "
            "batches would not be of one kind; begin a new one, or put back what it was begun with"
        )
    return Begun(folder=folder, plan=plan, subject=subject, setting=setting)


def _part(path: Path, plan: str) -> Done | None:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return Done(first=int(held["first"]), rows=tuple(held["rows"])) if held["plan"] == plan else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A campaign's figures."""

    folder: Path
    batches: int
    summary: tuple[dict[str, JSON], ...]
    effects: tuple[dict[str, JSON], ...]
    manifest: Mapping[str, JSON]


def carry(begun: Begun, workers: Workers, tick: Callable[[int], None], *, parquet: bool = False) -> Finished:
    """Make every batch that is missing, then write the tables. `tick` is told of batches as they are done."""
    kept = begun.kept()
    tick(sum(len(each.rows) for each in kept.values()))

    def told(done: Done) -> None:
        begun.keep(done)
        tick(len(done.rows))

    rows = run(begun.plan, begun.setting, workers, kept, told)
    return finish(begun, rows, parquet=parquet)


def finish(begun: Begun, rows: Sequence[Row], *, parquet: bool) -> Finished:
    """Write tables and manifest; the parts are no longer needed."""
    factors, limits = tuple(begun.plan.space), begun.setting.site.limits
    results = [name for name in (*limits, GOOD, YIELD) if name in rows[0]]
    columns = {name: np.array([row[name] for row in rows]) for name in ("batch", "donor", *factors, *results)}
    dice = np.random.default_rng([begun.plan.seed, 4])
    summary, effects = summary_rows(columns, results, limits), effect_rows(columns, factors, results, dice)
    tables = {"batches": _batches(columns), "summary": _csv(summary), "effects": _csv(effects)}
    files: dict[str, JSON] = {}
    for name, content in tables.items():
        path = begun.folder / f"{name}.csv"
        keep(path, content, mode=0o644)
        if parquet and name == "batches":
            whole = ("batch", "donor", GOOD)
            path = to_parquet(path, {each: "whole" if each in whole else "number" for each in columns})
        files[path.name] = sha256(path.read_bytes()).hexdigest()
    manifest = _manifest(begun, files, sha256(tables["batches"]).hexdigest())
    keep(begun.folder / MANIFEST, (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode(), mode=0o644)
    for part in (begun.folder / PARTS).glob("*.json"):
        part.unlink()
    return Finished(
        folder=begun.folder, batches=len(rows), summary=tuple(summary), effects=tuple(effects), manifest=manifest
    )


def _manifest(begun: Begun, files: Mapping[str, JSON], batches: str) -> dict[str, JSON]:
    packages: dict[str, JSON] = {name: version(name) for name in ("numpy", "scipy", "numba")}
    return {
        "format": SCHEMA, "plan": begun.plan.document(), "plan_sha256": begun.plan.sha256, "files": dict(files),
        "batches_sha256": batches, "packages": {**packages, "python": platform.python_version()},
        "machine": platform.machine(),
    }  # fmt: skip


def _batches(columns: Mapping[str, Floats]) -> bytes:
    whole = {"batch", "donor", GOOD}
    rows = [
        {name: int(value) if name in whole else float(value) for name, value in zip(columns, row, strict=True)}
        for row in zip(*columns.values(), strict=True)
    ]
    return _csv(cast("list[dict[str, JSON]]", rows))


def _csv(rows: Sequence[Mapping[str, JSON]]) -> bytes:
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue().encode()
