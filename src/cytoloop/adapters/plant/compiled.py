"""Compile a numeric function to machine code (numba), keeping its type for the reader and the type checker."""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """`function`, compiled at its first call and kept on disk for the next process."""
    return cast(F, njit(cache=True)(function))
