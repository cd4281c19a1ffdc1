"""Acknowledging: a person says that they have seen an alarm, and what is done about it.

An alarm is raised and cleared by the process; acknowledging it changes neither (ISA-18.2 §5.2.6). It is an act, signed:
who acknowledged took part in the batch.
"""

from cytoloop.app.acts import note
from cytoloop.app.people import People, Signer
from cytoloop.app.production import read_batch
from cytoloop.app.reviewing import Shown
from cytoloop.app.views_alarms import state_of
from cytoloop.core.errors import RefusedError, UserError
from cytoloop.core.facts.monitoring import AlarmAcknowledged
from cytoloop.core.signature import Meaning
from cytoloop.core.words import Words
from cytoloop.record.ledger import Ledger

MEANING: Meaning = "reviewed"


def alarm_to_acknowledge(ledger: Ledger, number: str, alarm: str, reason: str) -> Shown:
    """The alarm as who acknowledges it is shown it.

    UserError when the batch has no such alarm or no reason is given; RefusedError when it is acknowledged already.
    """
    batch = read_batch(ledger, number)
    found = batch.alarms.get(alarm)
    if found is None:
        raise UserError(
            Words(
                en=f"batch {number} has no alarm {alarm!r}; `cytoloop alarm list` shows those there are",
                zh=f"批次 {number} 没有报警 {alarm!r}；请在批次页面查看已有报警",
            )
        )
    if not reason.strip():
        raise UserError(Words(en="say in a sentence what is done about the alarm", zh="请用一句话说明对该报警如何处理"))
    if found.acknowledged is not None:
        who = found.acknowledged.fact.signature.printed_name
        raise RefusedError(
            Words(en=f"{who} has acknowledged alarm {alarm} already", zh=f"报警 {alarm} 已由 {who} 确认")
        )
    raised = found.raised.fact
    content = {
        "batch": number,
        "alarm": alarm,
        "signal": raised.tag,
        "kind": raised.kind,
        "priority": raised.priority,
        "since": raised.since.isoformat(),
        "value": raised.value,
        "unit": raised.unit,
        "low": raised.low,
        "high": raised.high,
        "state": state_of(found),
        "reason": reason.strip(),
    }
    return Shown(batch=batch, content=dict(content))


def acknowledge(people: People, by: Signer, seen: Shown) -> AlarmAcknowledged:
    """Have `by` sign the acknowledgement as shown, and write it, wherever the batch's stream ends by then.

    Raises RefusedError, which is an entry, when they may not.
    """
    subject = f"batch/{seen.batch.number}"
    signature = people.sign_for("acknowledge-alarm", by, meaning=MEANING, shown=seen.content, subject=subject)
    fact = AlarmAcknowledged(alarm=str(seen.content["alarm"]), reason=str(seen.content["reason"]), signature=signature)
    note(people.registrar, subject, fact, actor=f"person:{signature.signer}")
    return fact
