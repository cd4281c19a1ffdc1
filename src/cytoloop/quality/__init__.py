"""Stage 3a: specification, deviation, release. Pure: no I/O, no clock, no dice; knows nothing of the law."""
