"""pymerkle: entries a second appended to a tree in memory, with and without the root after each. pymerkle's Python."""

import json
import sys
from time import perf_counter

from pymerkle import InmemoryTree

asked = json.loads(sys.argv[1])
bodies = [b"%d" % each + b"x" * asked["bytes"] for each in range(asked["entries"])]


def appended(count, root):
    tree = InmemoryTree(algorithm="sha256")
    began = perf_counter()
    for body in bodies[:count]:
        tree.append_entry(body)
        if root:
            tree.get_state()
    return count / (perf_counter() - began), tree.get_state().hex()


alone, state = appended(asked["entries"], root=False)
each, _ = appended(asked["with_root"], root=True)
print(json.dumps({"alone": alone, "with_root": each, "root": state}))
