"""Bench: figures measured on this machine, now, beside their peers. `cytoloop bench NAME [--quick] [--json]`.

How a benchmark is written: a module `bench/<name>_<part>.py` has one function

    def rows(options: Options) -> list[Row]

It works in `options.scratch` (an empty folder on a real disk, removed afterwards), is smaller with `options.quick`
(a second or two, for the tests), draws only from `options.seed`, calls `options.tick("...")` before each long piece,
and measures with `time.perf_counter`. Ours and a peer are run in turns by `alternate`, and `row` takes the medians.
A peer never lives in this environment: `options.peers.run(...)` runs a script of `bench/peer_scripts/` in an
environment of its own and gives back its JSON, or None when there is none (then the row says "not available").
`bench/record.py` puts the parts of the record's benchmark together.
"""
