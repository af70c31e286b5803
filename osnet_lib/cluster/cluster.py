"""A Ray cluster, started on this machine or joined, and what must hold on its nodes before any work starts there.

Ray is imported by the functions that need it: who does not ask for a cluster never loads it.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import signal
import socket
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..core.code_digest import code_digest
from ..core.files import read_text, write_text
from ..core.host import usable_cores
from ..datasets.place import BucketPath, Place, locate
from ..errors import ClusterError, StoreError, first_line
from ..inference.session import open_session

LOCAL = "local"  # in place of an address: a cluster of this machine, for as long as the command runs
PATIENCE = 60.0  # seconds until a node that was asked what it sees counts as unreachable
_STORE = 128 << 20  # bytes; features go to files, so little passes through the object store
_TRIES = 3
_SAME = "Install the same versions everywhere"
_TOKEN = "Where ray start told of token authentication, set RAY_AUTH_MODE=token and have the head's ~/.ray/auth_token."
_OF_NODE = "A node reads its own environment: give it endpoint and access keys before ray start."


@dataclass(frozen=True)
class Resource:
    """What one worker takes of its node: a name that Ray knows (CPU, GPU, NPU or a cluster's own), how much."""

    name: str
    amount: int

    def __str__(self) -> str:
        return f"{self.name}={self.amount}"

    @classmethod
    def parse(cls, text: str) -> Resource:
        """Read ``NPU=1``; ClusterError where it is none."""
        name, _, amount = text.partition("=")
        if not re.fullmatch(r"[A-Za-z][\w-]*", name) or not re.fullmatch("[1-9][0-9]{0,3}", amount):
            raise ClusterError(f"{text!r} is no resource", where="resource", cure="Write it as NPU=1, GPU=1 or CPU=2.")
        return cls(name, int(amount))

    def options(self) -> dict[str, Any]:
        """As Ray takes it for an actor or task."""
        if self.name == "CPU":
            return {"num_cpus": self.amount}
        own = {"num_gpus": self.amount} if self.name == "GPU" else {"resources": {self.name: self.amount}}
        return {"num_cpus": 0, **own}


@dataclass(frozen=True)
class Node:
    """A machine of the cluster that is alive: Ray's id, its name, how many workers fit."""

    id: str
    host: str
    slots: int

    @property
    def name(self) -> str:
        return node_name(self.id, self.host)


def node_name(node: str, host: str) -> str:
    """How messages call a node: several may be on one machine."""
    return f"{host} ({node[:8]})"


@contextmanager
def on_cluster(address: str, resource: Resource | None = None, workers: int | None = None) -> Iterator[None]:
    """Be a driver of the cluster for the length of a block; a process that already is one stays one.

    Parameters
    ----------
    address : str
        ``"local"``, ``"auto"`` (the cluster that this machine belongs to) or ``"host:port"`` of its head.
    resource, workers : optional
        What a local cluster must have room for, even where that is more than there are cores.

    Raises
    ------
    ClusterError
        No such cluster; another Ray or Python there; an address that Ray Core does not take.
    ModuleNotFoundError
        Ray is not installed.
    """
    # Ray prints what its nodes tell, in pages, even where no log goes to the driver; it reads this as it is imported.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")
    import ray

    if ray.is_initialized():
        held = ray.get_runtime_context().gcs_address
        if address not in (LOCAL, "auto", held):
            raise ClusterError(f"this process is a driver of {held}", where=address, cure="Leave that one first.")
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "configure_logging": True}
    if address == LOCAL:
        wanted = workers * resource.amount if workers and resource and resource.name == "CPU" else 0
        cpus = max(usable_cores(), wanted)
        # Processes that Ray would start ahead of need are a burden to a machine that is busy with the work.
        for ahead in ("RAY_enable_worker_prestart", "RAY_prestart_worker_first_driver"):
            os.environ.setdefault(ahead, "0")
        # Without the address Ray would join whatever cluster runs on this machine.
        quiet |= {"address": "local", "num_cpus": cpus, "include_dashboard": False, "object_store_memory": _STORE}
    else:
        _check_address(address)
        quiet |= {"address": address}
    ended_by = signal.getsignal(signal.SIGTERM)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray's own ways, which change nothing here
        _start(address, quiet)
    if ended_by is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, ended_by)  # Ray's prints a stack, and exits with 15
    try:
        yield
    finally:
        ray.shutdown()


def _start(address: str, options: dict[str, Any]) -> None:
    """Call ray.init, of a cluster of our own up to `_TRIES` times: Ray gives its processes 15 s each."""
    import ray

    for left in reversed(range(_TRIES if address == LOCAL else 1)):
        try:
            ray.init(**options)
            return
        except (ConnectionError, OSError, TimeoutError) as error:
            if address in (LOCAL, "auto"):
                raise _no_cluster(address, first_line(error)) from error
            what = f"answers, but does not let this process in ({first_line(error)})"
            raise ClusterError(what, where=address, cure=_TOKEN) from error
        except (RuntimeError, ValueError) as error:
            if "ersion mismatch" in str(error):
                raise ClusterError(_versions(str(error)), where=address, cure=f"{_SAME}.") from error
            raise _no_cluster(address, first_line(error)) from error
        except Exception as error:  # Ray raises the plainest kind where its processes do not come up
            ray.shutdown()
            if not left:
                what, cure = f"Ray does not start ({first_line(error)})", "Run it again when this machine is less busy."
                raise ClusterError(what, where=address, cure=cure) from error


def _check_address(address: str) -> None:
    """Refuse at once what Ray would try for half a minute."""
    if address.startswith("ray://"):
        cure = "Run the command on a machine of the cluster, with auto or HOST:PORT of the head."
        raise ClusterError("Ray Client is not part of Ray Core", where=address, cure=cure)
    if address == "auto":
        return _check_address(_remembered())
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        cure = "Give local, auto, or HOST:PORT as ray start --head printed it."
        raise ClusterError(f"{address!r} is no address of a cluster", where="cluster", cure=cure)
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, first_line(error)) from error


def _remembered() -> str:
    """The head that Ray means by auto: of RAY_ADDRESS, of a process of this machine, or that of the last ray start."""
    from ray._private.services import get_ray_address_from_environment

    try:
        return get_ray_address_from_environment("auto", None)
    except ConnectionError as error:
        raise _no_cluster("auto", first_line(error)) from error


def _no_cluster(address: str, why: str) -> ClusterError:
    cure = "Start one with ray start --head, or give local for one of this machine."
    return ClusterError(f"no such cluster ({why})", where=address, cure=cure)


def _versions(message: str) -> str:
    """Ray's page about versions in one clause."""
    pairs = [re.findall(rf"{name}: (\S+)", message) for name in ("Ray", "Python")]
    told = [f"{name} {there}, here {here}" for name, (there, here) in zip(("Ray", "Python"), pairs) if there != here]
    return f"the cluster has {'; '.join(told)}" if told else f"other versions there ({first_line(Exception(message))})"


def nodes(resource: Resource) -> list[Node]:
    """The nodes that are alive, those with room for a worker first, then by id."""
    import ray

    found = [
        Node(
            told["NodeID"], told["NodeManagerHostname"], int(told["Resources"].get(resource.name, 0)) // resource.amount
        )
        for told in ray.nodes()
        if told["Alive"]
    ]
    return sorted(found, key=lambda node: (not node.slots, node.id))


def check_resources(resource: Resource) -> list[Node]:
    """The nodes that have room for a worker; ClusterError where none has."""
    import ray

    able = [node for node in nodes(resource) if node.slots]
    if not able:
        total = {name: n for name, n in ray.cluster_resources().items() if ":" not in name and "memory" not in name}
        has = ", ".join(f"{name} {amount:g}" for name, amount in sorted(total.items())) or "nothing"
        raise ClusterError(f"no node has {resource}; all together have {has}", where="resource", cure="Ask for less.")
    return able


def check_nodes(able: Sequence[Node], files: Mapping[str, Place], folder: Path | None = None) -> None:
    """Refuse nodes that do not see what they have to read and write, or run other code.

    Parameters
    ----------
    files : mapping of str to path
        What workers read, by what messages call it.
    folder : path, optional
        Where they write; a file that is laid there for a moment tells whether it is the same folder everywhere.

    Raises
    ------
    ClusterError
        The path and the node are named.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    sizes = {name: (str(path), _size(path)) for name, path in files.items()}
    token, text = folder / f".osnet-{secrets.token_hex(8)}.tmp" if folder else None, secrets.token_hex(8)
    if token:
        write_text(token, text)
    try:
        look, code = ray.remote(_look), _code()
        asked = [
            (
                node,
                look.options(num_cpus=0, max_retries=0, scheduling_strategy=On(node.id, soft=False)).remote(
                    sizes, str(token) if token else None, text, code
                ),
            )
            for node in able
        ]
        for node, answer in asked:
            try:
                trouble = ray.get(answer, timeout=PATIENCE)
            except ray.exceptions.GetTimeoutError as error:
                what = f"node {node.name} did not answer within {PATIENCE:g} s"
                raise ClusterError(what, where="cluster", cure="Look at it with ray status.") from error
            except ray.exceptions.RayError as error:
                if _is_gone(node):  # others do its share
                    continue
                what = f"node {node.name} cannot run osnet ({_last_line(error)})"
                raise ClusterError(what, where="cluster", cure=f"{_SAME}, with osnet among them.") from error
            if trouble:
                where, what, cure = trouble
                raise ClusterError(f"node {node.name} {what}", where=where, cure=cure)
    finally:
        if token:
            token.unlink(missing_ok=True)


def _is_gone(node: Node) -> bool:
    """Whether a node that did not answer died, of which its head hears some seconds later."""
    import ray

    for _ in range(20):
        if not any(told["Alive"] and told["NodeID"] == node.id for told in ray.nodes()):
            return True
        time.sleep(0.5)
    return False


def _size(place: Place) -> int:
    """Bytes of a file; -1 of a folder, whose size says nothing. OSError or StoreError where it is not there."""
    if isinstance(place, BucketPath):
        return place.size()
    place = place.resolve(strict=True)
    return place.stat().st_size if place.is_file() else -1


@cache
def _code() -> str:
    return f"{platform.python_version()} {code_digest(open_session)}"


def _last_line(error: BaseException) -> str:
    return first_line(Exception((str(error).strip().splitlines() or [type(error).__name__])[-1]))


def _look(files: dict[str, tuple[str, int]], token: str | None, text: str, code: str) -> tuple[str, str, str] | None:
    """What is wrong on the node that runs this: where, what, cure."""
    shared = "Put it on a file system that all nodes see, under the same path."
    for name, (path, size) in files.items():
        try:
            found = _size(locate(path))
        except OSError as error:
            return path, f"does not see the {name} ({first_line(error)})", shared
        except StoreError as error:
            return path, f"does not see the {name} ({error.what})", _OF_NODE
        except ModuleNotFoundError as error:
            return path, f"cannot read the {name} (the package {error.name} is not installed)", f"{_SAME}."
        if found != size:
            return path, f"has another {name} there ({found:,} bytes, here {size:,})", shared
    try:
        same = token is None or read_text(token) == text
    except OSError:
        same = False
    if token and not same:
        return str(Path(token).parent), "does not see the folder of this command", shared
    if code != _code():
        return "cluster", "runs another Python or osnet than this command", f"{_SAME}."
    return None
