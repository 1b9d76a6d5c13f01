"""Runs AccaSim's EASY backfilling over a trace and prints the seconds it took and what its own statistics say, as one line of JSON.

Arguments: trace (plain SWF), processors, a folder to work in.
"""
import collections
import collections.abc
import json
import os
import sys
import time

trace, procs, folder = os.path.abspath(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
os.chdir(folder)

# Its last version asks for names that Python has moved since.
for name in ("Mapping", "MutableMapping", "Sequence", "Iterable", "Callable"):
    setattr(collections, name, getattr(collections.abc, name))

from accasim.base.allocator_class import FirstFit  # noqa: E402
from accasim.base.scheduler_class import EASYBackfilling  # noqa: E402
from accasim.base.simulator_class import Simulator  # noqa: E402

# One node of one core for each processor.
system = {
    "groups": {"node": {"core": 1}},
    "resources": {"node": procs},
    "equivalence": {"processor": {"core": 1}},
    "start_time": 0,
}
with open("system.json", "w") as out:
    json.dump(system, out)

begun = time.perf_counter()
simulator = Simulator(
    trace,
    "system.json",
    EASYBackfilling(FirstFit()),
    scheduling_output=False,
    statistics_output=True,
    show_statistics=False,
    RESULTS_FOLDER_PATH=os.getcwd(),
)
written = simulator.start_simulation()
elapsed = time.perf_counter() - begun

found = {"elapsed_s": elapsed}
with open(written["stats-"]) as text:
    for line in text:
        name, _, value = line.partition(":")
        found[name.strip()] = value.strip()
os.remove(written["stats-"])
print(json.dumps(found))
