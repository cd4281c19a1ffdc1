"""The simulated facility: cells, equipment, laboratory and clinic that are not there, behaving as if they were.

Its truth is deliberately not the twin's: other equations, other parameters, so that feedback is never graded on
its own homework.
"""
