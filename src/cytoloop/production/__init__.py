"""Stage 2: recipe text, planning, and the runner that carries a batch. Pure: no I/O, no clock, no dice."""
