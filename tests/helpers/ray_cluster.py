"""A Ray cluster of a head and two nodes on this machine, whose stand-in NPUs are resources; for tests of a module."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.npu import PYACL
from helpers.paths import ROOT, TESTS

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed (no wheel for this system)")
_STORE = 80 << 20  # the least that Ray takes is 75 MiB


@contextmanager
def two_nodes(npus: int = 2, fault: str = "") -> Iterator[SimpleNamespace]:
    """A head without devices, two nodes with `npus` each; `add` and `remove` change them, `address` is the head's."""
    import ray
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:  # which the nodes and their workers inherit
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (PYACL, TESTS, ROOT))))
        patch.setenv("STAND_IN_ACL_DEVICES", str(npus))
        patch.setenv("STAND_IN_ACL_FAULT", fault)
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_enable_worker_prestart", "0")
        patch.setenv("RAY_prestart_worker_first_driver", "0")
        lean = {"object_store_memory": _STORE, "include_log_monitor": False}
        head = {"num_cpus": 0, "include_dashboard": False, "no_monitor": True, **lean}
        # Without handlers of signals a node can be added by any thread.
        cluster = _patiently(lambda: Cluster(initialize_head=True, head_node_args=head, shutdown_at_exit=False))

        def add() -> object:
            return _patiently(lambda: cluster.add_node(num_cpus=1, resources={"NPU": npus}, **lean))

        try:
            nodes = [add(), add()]
            ray.init(cluster.address, log_to_driver=False, logging_level="error")
            yield SimpleNamespace(address=cluster.address, nodes=nodes, add=add, remove=cluster.remove_node)
        finally:
            ray.shutdown()
            for node in cluster.list_all_nodes():  # at once: in order it would wait a second for each process
                node.kill_all_processes(check_alive=False, allow_graceful=False)


def _patiently(start: Callable[[], Any], tries: int = 4) -> Any:
    """Start a node; Ray gives its processes 15 seconds, which a busy machine may not."""
    for left in reversed(range(tries)):
        try:
            return start()
        except Exception:  # Ray raises the plainest kind
            if not left:
                raise
    raise AssertionError
