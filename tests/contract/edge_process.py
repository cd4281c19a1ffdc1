"""An edge node with kept devices as a process of its own, to be killed: `edge_process.py '<settings as JSON>'`."""

import asyncio
import json
import sys
from pathlib import Path

from tests.contract.kept_device import KeptDevice

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.sparkplug.edge import EdgeNode
from cytoloop.adapters.sparkplug.link import broker
from cytoloop.adapters.sparkplug.serving import Serving

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    folder = Path(asked["folder"])
    clock = ScaledClock(factor=1.0)
    devices = [KeptDevice(unit, clock, folder) for unit in asked["units"]]
    serving = Serving(group=asked["group"], node=asked["node"], devices=devices, clock=clock, overlap=3.0)
    edge = EdgeNode(
        broker=broker(asked["broker"], keepalive=2),
        serving=serving,
        scan=0.02,
        numbering=folder / "number",
        longest_pause=0.2,
        remark=lambda text: print(text, file=sys.stderr, flush=True),
    )
    asyncio.run(edge.serve())
