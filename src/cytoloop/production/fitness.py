"""Fitness: why a unit or a person may not be used now, as one sentence with place and remedy. Pure.

A unit that nobody registered, and a subject that nobody was ever qualified for, are not looked at: the register decides
what is.
"""

from cytoloop.core.time import Instant
from cytoloop.core.words import Words
from cytoloop.production.register import Register, Unit

OUT_OF_SERVICE = Words(
    en="{0} is out of service since {1}: {2}; repair it and return it (`cytoloop equipment return {0}`)",
    zh="{0} 自 {1} 起停用：{2}；请修复后恢复使用（`cytoloop equipment return {0}`）",
)
NEVER_CALIBRATED = Words(
    en="{0} has no calibration on record; calibrate it (`cytoloop equipment calibrate {0}`)",
    zh="{0} 没有校准记录；请先校准（`cytoloop equipment calibrate {0}`）",
)
CALIBRATION_OVER = Words(
    en="the calibration of {0} ran out on {1} (certificate {2}); calibrate it (`cytoloop equipment calibrate {0}`)",
    zh="{0} 的校准已于 {1} 到期（证书 {2}）；请重新校准（`cytoloop equipment calibrate {0}`）",
)
NEVER_CLEANED = Words(
    en="{0} has no cleaning on record; clean it (`cytoloop equipment clean {0}`)",
    zh="{0} 没有清洁记录；请先清洁（`cytoloop equipment clean {0}`）",
)
CLEANING_OVER = Words(
    en="the cleaning of {0} ran out on {1}; clean it again (`cytoloop equipment clean {0}`)",
    zh="{0} 的清洁有效期已于 {1} 届满；请重新清洁（`cytoloop equipment clean {0}`）",
)
USED_BY_ANOTHER = Words(
    en="{0} was used for batch {1} on {2} and not cleaned since; clean it (`cytoloop equipment clean {0}`)",
    zh="{0} 于 {2} 用于批次 {1}，此后未清洁；请先清洁（`cytoloop equipment clean {0}`）",
)
NOBODY_QUALIFIED = Words(
    en="nobody is qualified for {1}, which {0} is, now; qualify an operator (`cytoloop equipment qualify USER {1}`)",
    zh="目前无人具备操作 {1}（{0}）的资格；请先授予操作人员资格（`cytoloop equipment qualify USER {1}`）",
)
NOT_QUALIFIED = Words(
    en="{0} is not qualified for {1}; ask somebody who is, or train and qualify them "
    "(`cytoloop equipment qualify {0} {1}`)",
    zh="{0} 不具备 {1} 的资格；请由具备资格的人员执行，或培训后授予资格（`cytoloop equipment qualify {0} {1}`）",
)
QUALIFICATION_OVER = Words(
    en="the qualification of {0} for {1} ran out on {2}; ask somebody else, or qualify them anew "
    "(`cytoloop equipment qualify {0} {1}`)",
    zh="{0} 的 {1} 资格已于 {2} 到期；请由他人执行，或重新授予资格（`cytoloop equipment qualify {0} {1}`）",
)


def why_not(register: Register, equipment: str, batch: str, now: Instant) -> Words | None:
    """Why `batch` may not use the unit now, the gravest reason; None when it may, or the unit is not registered."""
    unit = register.units.get(equipment)
    if unit is None:
        return None
    needs = unit.registered.needs
    return (
        _out_of_service(unit)
        or (_calibration(unit, now) if "calibration" in needs else None)
        or (_cleaning(unit, now) if "cleaning" in needs else None)
        or (_cleaned_for(register, unit, batch, now) if "cleaning-between-batches" in needs else None)
        or (_nobody(register, unit, now) if "qualification" in needs else None)
    )


def why_not_qualified(register: Register, user: str, subject: str, now: Instant) -> Words | None:
    """Why `user` may not work with an equipment class or by a procedure; None when they may, or it is not demanded.

    A qualification is demanded for what a registered unit of the class needs it for, and for whatever anybody was ever
    qualified for.
    """
    if subject not in register.subjects and subject not in _demanded(register):
        return None
    held = register.qualified.get((user, subject))
    if held is None:
        return NOT_QUALIFIED.filled(user, subject)
    return None if held.valid_until > now else QUALIFICATION_OVER.filled(user, subject, day(held.valid_until))


def day(moment: Instant) -> str:
    """A moment as it stands in a sentence."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _demanded(register: Register) -> frozenset[str]:
    units = (unit.registered for unit in register.units.values())
    return frozenset(each.equipment_class for each in units if "qualification" in each.needs)


def _out_of_service(unit: Unit) -> Words | None:
    if unit.out_of_service is None or unit.out_since is None:
        return None
    return OUT_OF_SERVICE.filled(unit.registered.equipment, day(unit.out_since), unit.out_of_service.reason)


def _calibration(unit: Unit, now: Instant) -> Words | None:
    equipment, calibrated = unit.registered.equipment, unit.calibrated
    if calibrated is None:
        return NEVER_CALIBRATED.filled(equipment)
    if calibrated.valid_until > now:
        return None
    return CALIBRATION_OVER.filled(equipment, day(calibrated.valid_until), calibrated.certificate)


def _cleaning(unit: Unit, now: Instant) -> Words | None:
    equipment, cleaned = unit.registered.equipment, unit.cleaned
    if cleaned is None:
        return NEVER_CLEANED.filled(equipment)
    if cleaned.valid_until is None or cleaned.valid_until > now:
        return None
    return CLEANING_OVER.filled(equipment, day(cleaned.valid_until))


def _cleaned_for(register: Register, unit: Unit, batch: str, now: Instant) -> Words | None:
    """No other batch used it since it was cleaned. How long it stays clean matters until the batch itself uses it.

    What happened at the very moment of the cleaning counts as after it.
    """
    equipment, use = unit.registered.equipment, register.used.get(unit.registered.equipment)
    if use is None or unit.cleaned_at is None:
        return _cleaning(unit, now)
    other = use.by_other_than(batch)
    if other is not None and other.at >= unit.cleaned_at:
        return USED_BY_ANOTHER.filled(equipment, other.batch, day(other.at))
    return None if use.batch == batch and use.at >= unit.cleaned_at else _cleaning(unit, now)


def _nobody(register: Register, unit: Unit, now: Instant) -> Words | None:
    subject = unit.registered.equipment_class
    held = (each for (_, about), each in register.qualified.items() if about == subject)
    if any(each.valid_until > now for each in held):
        return None
    return NOBODY_QUALIFIED.filled(unit.registered.equipment, subject)
