"""Order: which steps a recipe asks for and what each waits for, worked out from the recipe's tree alone.

A second, slower reading of the recipe, apart from the one that the runner goes by: what one of them gets wrong, the
other does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cytoloop.core.batch import Batch
from cytoloop.core.recipe import Incubation, Item, Loop, Operation, Parallel, Phase, Ramp, Repeat, Selection

UNDECIDED = "?"
"""Ends the name of something that must be decided before anything behind it may begin."""
SOFTEST = 1e-6


@dataclass(frozen=True, slots=True)
class Entering:
    """What must be so before a step begins: steps that are done, and hours that have passed since others began."""

    done: tuple[str, ...] = ()
    passed: tuple[tuple[str, float], ...] = ()


@dataclass(slots=True)
class Order:
    """The steps of a batch as parameters and ways stand."""

    parameters: Mapping[str, float]
    ways: Mapping[str, str]
    needs: dict[str, Entering] = field(default_factory=dict)
    """Step -> what must be so before it begins."""

    @property
    def steps(self) -> tuple[str, ...]:
        """Every step that must be done before the batch is finished."""
        return tuple(self.needs)

    # -- reading the tree --------------------------------------------------------------------------------------------

    def sequence(self, operation: Operation, path: str, items: tuple[Item, ...], entering: Entering) -> Entering:
        """Put every step of a sequence in; gives what follows it needs."""
        for item in items:
            entering = self.item(operation, path, item, entering)
        return entering

    def item(self, operation: Operation, path: str, item: Item, entering: Entering) -> Entering:
        match item:
            case Loop():
                return self._loop(operation, f"{path}/{item.loop}", item, entering)
            case Repeat():
                return self._repeat(operation, f"{path}/{item.repeat}", item, entering)
            case Parallel():
                here = f"{path}/{item.parallel}"
                ends = [self.sequence(operation, f"{here}/{each.branch}", each.steps, entering)
                        for each in item.branches]  # fmt: skip
                return Entering(
                    tuple(step for end in ends for step in end.done), tuple(wait for end in ends for wait in end.passed)
                )
            case Selection():
                return self._selection(operation, f"{path}/{item.selection}", item, entering)
            case _:
                return self._phase(operation, f"{path}/{item.phase}", item, entering)

    def _phase(self, operation: Operation, step: str, phase: Phase, entering: Entering) -> Entering:
        match phase:
            case Ramp():
                hours = self.parameters[f"{operation.operation}.{phase.over}"]
                for move in range(phase.moves + 1):
                    waits = ((f"{step}[0]", hours * move / phase.moves),) if move else ()
                    entering = self._one(f"{step}[{move}]", replace(entering, passed=(*entering.passed, *waits)))
                return entering
            case Incubation():
                for part in ("set", "hold", "read"):
                    entering = self._one(f"{step}/{part}", entering)
                return entering
            case _:
                return self._one(step, entering)

    def _one(self, step: str, entering: Entering) -> Entering:
        self.needs[step] = entering
        return Entering((step,))

    def _loop(self, operation: Operation, path: str, loop: Loop, entering: Entering) -> Entering:
        hours, index, first = self.parameters[f"{operation.operation}.{loop.until}"], 0, ""
        while index * loop.every < hours - SOFTEST:
            for phase in loop.steps:
                if index % phase.every_nth:
                    continue
                waits = ((first, index * loop.every),) if first and index else ()
                inside = replace(entering, passed=(*entering.passed, *waits))
                known = len(self.needs)
                entering = self._phase(operation, f"{path}[{index}]/{phase.phase}", phase, inside)
                first = first or list(self.needs)[known]
            index += 1
        return replace(entering, passed=((first, hours),)) if first else entering

    def _repeat(self, operation: Operation, path: str, repeat: Repeat, entering: Entering) -> Entering:
        for index in range(repeat.at_most):
            here = f"{path}[{index}]"
            entering = self.sequence(operation, here, repeat.steps, entering)
            way = self.ways.get(here)
            if way is None:
                return self._one(f"{here}{UNDECIDED}", entering)
            if way != "again":
                break
        return entering

    def _selection(self, operation: Operation, path: str, selection: Selection, entering: Entering) -> Entering:
        taken = next((way for way in selection.ways if way.way == self.ways.get(path)), None)
        if taken is None:
            return self._one(f"{path}{UNDECIDED}", entering)
        return self.sequence(operation, f"{path}/{taken.way}", taken.steps, entering)


def order_of(batch: Batch) -> Order:
    """The order of a batch's steps as its parameters and ways stand now."""
    order, entering = Order(batch.parameters, batch.ways), Entering()
    for _, operation in batch.master.recipe.operations():
        entering = order.sequence(operation, operation.operation, operation.steps, entering)
    return order
