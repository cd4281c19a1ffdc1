"""Intake: readings are held against the checks of their tags by machine code, a block at a time."""

from cytoloop.adapters.intake.intake import Intake, Refused, Taken
from cytoloop.adapters.intake.late import between, stamped, untold

__all__ = ["Intake", "Refused", "Taken", "between", "stamped", "untold"]
