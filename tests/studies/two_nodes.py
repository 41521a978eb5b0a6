"""A study on a Ray cluster of two nodes, one of which is killed in the middle.

two_nodes.py STUDY.py FOLDER, a program of its own. Exits as the study does, and says when the node was killed.
"""

import os
import sys
import threading
import time
from pathlib import Path

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
os.environ |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # loopback only
os.environ |= {"RAY_health_check_period_ms": "500", "RAY_health_check_failure_threshold": "3"}

from ray.cluster_utils import Cluster

from selfplay.studies.catalogue import find_study
from selfplay.studies.conduct import conduct
from selfplay.studies.plan import tasks

HERE = {"node_ip_address": "127.0.0.1"}


def kill_when_begun(cluster, node, folder):
    """Once every node has a run with a checkpoint, end `node` and all that runs on it."""
    while len({path.parent for path in Path(folder).glob("*/*/checkpoints/step_*")}) < 2:
        time.sleep(0.05)
    begun = len(list(Path(folder).glob("*/*/lock")))
    cluster.remove_node(node, allow_graceful=False)
    print(f"killed one of two nodes when {begun} runs had begun", flush=True)


def main(declared, folder):
    study = find_study(declared)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **HERE})
    nodes = [cluster.add_node(num_cpus=1, **HERE) for _ in range(2)]
    cluster.wait_for_nodes()
    killer = threading.Thread(target=kill_when_begun, args=(cluster, nodes[0], folder), daemon=True)
    killer.start()
    try:
        runs = tasks(study, Path(folder))
        code = conduct(study, Path(folder), runs, jobs=None, threads=1, checkpoint_seconds=0.2, ray=cluster.address)
    finally:
        cluster.shutdown()
    sys.exit(code if not killer.is_alive() else "nothing was killed")


if __name__ == "__main__":
    main(*sys.argv[1:])
