"""Stage 1: study, subject, order, and the days from vein to vein. Pure: no I/O, no clock, no dice."""
