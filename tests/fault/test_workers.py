"""Several workers on one record: kill, stop or cut off any of them, and every batch ends with each step done once."""

import random
import signal
import time
from pathlib import Path

from tests.contract.postgres_server import APP, PostgresServer
from tests.fault.counting_plant import counting_plant
from tests.fault.crew import check, crew_of, hit

SEED = 20260601


def test_workers_that_are_killed_and_stopped_at_random_lose_nothing(
    postgres: PostgresServer, tmp_path: Path, long: bool
) -> None:
    dice = random.Random(SEED)
    with counting_plant(0.6) as port, crew_of(postgres, tmp_path, port, 3) as crew:
        every: set[str] = set()
        for round_ in range(15 if long else 1):
            numbers = {f"B-{round_}-{each:02d}" for each in range(24)}
            every |= numbers
            crew.begin(*sorted(numbers))
            for _ in range(5):
                time.sleep(dice.uniform(0.2, 0.8))
                hit(crew, dice)
            crew.wait(numbers)
            check(crew, every)
        assert "gave no sign of life" in crew.said()


def test_two_workers_on_one_batch_by_force_do_each_step_once(postgres: PostgresServer, tmp_path: Path) -> None:
    """The engine is told lies: every batch is put back while a worker has it, so that another takes it as well."""
    numbers = {f"B-{each}" for each in range(6)}
    with counting_plant(0.5) as port, crew_of(postgres, tmp_path, port, 3) as crew:
        crew.begin(*sorted(numbers))
        ends = time.monotonic() + 40.0
        while not numbers <= crew.finished():
            forced = crew.tell_engine(
                "UPDATE procrastinate_jobs SET status = 'todo', priority = 1 WHERE status = 'doing'"
            )
            assert forced >= 0
            assert time.monotonic() < ends, crew.said()
            time.sleep(0.8)
        check(crew, numbers)
        assert "carried by another worker too" in crew.said() or "was given up; it begins anew" in crew.said()


def test_the_server_is_killed_under_the_workers(postgres: PostgresServer, tmp_path: Path, long: bool) -> None:
    numbers = {f"B-{each:02d}" for each in range(8)}
    with counting_plant(0.5) as port, crew_of(postgres, tmp_path, port, 3) as crew:
        crew.begin(*sorted(numbers))
        for _ in range(20 if long else 1):
            time.sleep(1.0)
            postgres.kill()
            time.sleep(0.5)
            postgres.start()
        crew.wait(numbers)
        check(crew, numbers)
        assert all(worker.poll() is None for worker in crew.workers), crew.said()


def test_workers_that_lose_their_connections_go_on(postgres: PostgresServer, tmp_path: Path) -> None:
    numbers = {f"B-{each:02d}" for each in range(8)}
    with counting_plant(0.5) as port, crew_of(postgres, tmp_path, port, 3) as crew:
        crew.begin(*sorted(numbers))
        for _ in range(4):
            time.sleep(0.7)
            with postgres.connect("postgres", "postgres") as connection:
                connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{APP}'")
        crew.wait(numbers)
        check(crew, numbers)
        assert all(worker.poll() is None for worker in crew.workers), crew.said()


def test_an_engine_that_was_lost_is_filled_from_the_record(postgres: PostgresServer, tmp_path: Path) -> None:
    numbers = {f"B-{each}" for each in range(6)}
    with counting_plant(0.5) as port, crew_of(postgres, tmp_path, port, 2) as crew:
        crew.begin(*sorted(numbers))
        time.sleep(2.0)
        assert crew.tell_engine("DELETE FROM procrastinate_jobs") > 0
        crew.wait(numbers)
        check(crew, numbers)


def test_a_worker_that_is_asked_to_stop_hands_its_batches_over(postgres: PostgresServer, tmp_path: Path) -> None:
    """At once: nobody has to wait until it counts as dead."""
    with counting_plant(1.5) as port, crew_of(postgres, tmp_path, port, 1) as crew:
        crew.begin("B-1")
        first = crew.workers[0]
        while "taken" not in crew.said():
            time.sleep(0.1)
        time.sleep(0.5)
        first.send_signal(signal.SIGTERM)
        assert first.wait(10) == 0, crew.said()
        assert "B-1: handed over" in crew.said()
        assert crew.tell_engine("UPDATE procrastinate_jobs SET id = id WHERE status = 'todo'") == 1
        assert crew.tell_engine("SELECT id FROM procrastinate_workers") == 0, "it signed off"
        crew.hire()
        crew.wait({"B-1"})
        check(crew, {"B-1"})
