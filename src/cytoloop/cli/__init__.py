"""The command line: one face of `app`, with no logic of its own."""
