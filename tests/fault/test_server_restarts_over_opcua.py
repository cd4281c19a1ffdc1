"""The server of a device is killed under a running program and started again, with its memory and without.

With it the program's outcome is read back. Without it nobody can tell: a person is asked, and nothing is repeated.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.contract.opcua_plant import free_port
from tests.fault.skid import effects_in

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.core.equipment import Command, UnreachableError

ROOT = Path(__file__).parents[2]
MIX = Command(
    key="B-1/mix#1", target="skid-01", verb="program", arguments={"program": "mix", "parameters": {"seconds": 0.6}}
)


@contextmanager
def skid_process(port: int, effects: Path, memory: Path | None) -> Iterator[str]:
    """A skid served by a process of its own, killed without a word at the end."""
    program = [sys.executable, "-m", "tests.fault.skid", str(port), str(effects), *([str(memory)] if memory else [])]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "serving", "the skid did not start"
        try:
            yield f"opc.tcp://127.0.0.1:{port}/cytoloop"
        finally:
            os.kill(process.pid, signal.SIGKILL)


async def until_begun(effects: Path) -> None:
    while not effects_in(effects):
        await asyncio.sleep(0.01)


async def in_the_middle(port: int, effects: Path, memory: Path | None) -> "tuple[OpcUaDoor, asyncio.Task[object]]":
    """A door that performs the program, and a server that was killed while it ran."""
    with skid_process(port, effects, memory) as endpoint:
        door = OpcUaDoor(endpoint=endpoint, poll=0.01, patience=8.0)
        performing: asyncio.Task[object] = asyncio.create_task(door.perform(MIX))
        await until_begun(effects)
    return door, performing


async def test_with_its_memory_the_outcome_is_told_after_the_restart(tmp_path: Path) -> None:
    port, effects, memory = free_port(), tmp_path / "effects", tmp_path / "memory"
    memory.mkdir()
    door, performing = await in_the_middle(port, effects, memory)
    with skid_process(port, effects, memory):
        outcome = await performing
        await door.close()
        later = OpcUaDoor(endpoint=door.endpoint, sent_at=lambda _: ScaledClock().now())
        assert await later.recall(MIX.key) == outcome
        assert await later.recall("B-1/never#1") is None
        await later.close()
    assert effects_in(effects) == [MIX.key]


async def test_without_its_memory_nobody_can_tell_and_nothing_is_repeated(tmp_path: Path) -> None:
    port, effects, began = free_port(), tmp_path / "effects", ScaledClock().now()
    door, performing = await in_the_middle(port, effects, None)
    with skid_process(port, effects, None) as endpoint:
        with pytest.raises(UnreachableError, match="has lost its memory of commands; look at the equipment"):
            await performing
        with pytest.raises(UnreachableError, match="has lost its memory"):
            await door.perform(MIX)
        with pytest.raises(UnreachableError, match="lost its memory"):
            await door.recall(MIX.key)
        await door.close()
        told = {MIX.key: began}
        later = OpcUaDoor(endpoint=endpoint, sent_at=told.get)
        with pytest.raises(UnreachableError, match="lost its memory"):
            await later.recall(MIX.key)
        assert await later.recall("B-1/never#1") is None, "what the record never sent certainly never arrived"
        await later.close()
    assert effects_in(effects) == [MIX.key]
