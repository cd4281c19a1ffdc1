"""Several workers on one record: kill, stop or cut off any of them, and every batch ends with each step done once."""

import random
import signal
import time
from pathlib import Path

from tests.contract.postgres_server import PostgresServer
from tests.fault.counting_plant import counting_plant
from tests.fault.crew import check, crew_of, hit

SEED = 20260601


def test_workers_that_are_killed_and_stopped_at_random_lose_nothing(
    postgres: PostgresServer, tmp_path: Path, long: bool
) -> None:
    dice = random.Random(SEED)
    with counting_plant(0.4) as port, crew_of(postgres, tmp_path, port, 3) as crew:
        every: set[str] = set()
        for round_ in range(30 if long else 1):
            numbers = {f"B-{round_}-{each:02d}" for each in range(24)}
            every |= numbers
            crew.begin(*sorted(numbers))
            while not numbers <= crew.finished() and dice.random() < 0.95:
                time.sleep(dice.uniform(0.5, 1.5))
                hit(crew, dice)
            crew.wait(every)
        check(crew, every)
