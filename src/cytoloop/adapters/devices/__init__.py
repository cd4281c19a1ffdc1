"""The device library: types of devices with a simulator each, which keep what real ones keep and obey physics.

One file for each type, with its signals, set-points, programs and the matter under its controller. `library.py` lists
them. Every driver and every simulator passes `cytoloop.testing.device_contract`.
"""
