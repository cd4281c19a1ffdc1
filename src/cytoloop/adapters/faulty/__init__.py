"""Faulty: a disk, a network, equipment, people and telemetry that go wrong by seeded dice, for the simulation."""
