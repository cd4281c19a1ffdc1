"""The vocabulary: what every stage may name. Pure: no I/O, no clock, no dice, no numpy."""
