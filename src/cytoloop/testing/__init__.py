"""Shipped for tests of this project and of others: contract suites, builders, fault injection."""
