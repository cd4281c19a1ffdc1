"""Control: inside a batch, moves that the gate allows, or none and why."""
