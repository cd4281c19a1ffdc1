"""The kill -9 loop in a process of its own, without threads, so that forking it is safe.

`python -m tests.fault.killed FOLDER KILLS WAY` prints its tally as JSON.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from itertools import count
from pathlib import Path

from cytoloop.bench.killing import WAYS, Way, draft, kill_loop
from cytoloop.record.ledger import Ledger

STREAM = "study/1"


def say_too_early(ledger: Ledger, first: int, say: Callable[[int], None]) -> None:
    """A writer as it must not be: it acknowledges what is not durable yet."""
    say(-1)
    for number in count(first):
        say(number)
        ledger.append(STREAM, [draft(number)], expected=number)


def write_again(ledger: Ledger, first: int, say: Callable[[int], None]) -> None:
    """A writer as it must not be: it begins by writing once more what may have been lost."""
    say(-1)
    end = ledger.position(STREAM)
    for number in count(max(first - 1, 0)):
        ledger.append(STREAM, [draft(number)], expected=end)
        say(number)
        end += 1


BAD = {"said too early": Way(say_too_early, 1), "written again": Way(write_again, 1)}

if __name__ == "__main__":
    tally = kill_loop(Path(sys.argv[1]), int(sys.argv[2]), way=(WAYS | BAD)[sys.argv[3]])
    sys.stdout.write(json.dumps(asdict(tally)))
