"""Use cases: the only place where stages and doors meet. Holds no rule of its own."""
