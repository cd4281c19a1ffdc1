"""Simulation: a whole facility in one process, on one seeded clock, with faults, held to its invariants."""
