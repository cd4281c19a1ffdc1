"""The engine over PostgreSQL: wakes a batch at its time on any live worker. Extra `worker`.

procrastinate does the work; it and psycopg are imported when an engine is first used, so that nobody else needs them.
"""

from cytoloop.adapters.engine.address import EngineAddress
from cytoloop.adapters.engine.engine import Engine, Pulse, Turn, Wanted, wake
from cytoloop.adapters.engine.schema import check_engine, make_engine

__all__ = ["Engine", "EngineAddress", "Pulse", "Turn", "Wanted", "check_engine", "make_engine", "wake"]
