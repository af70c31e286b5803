"""The driver's end of all workers of a cluster: they come and go with its nodes, and one that fails hands its share on.

The rules are those of `osnet_lib.inference.fleet`. What Ray adds: an actor whose process or node died is started again
elsewhere (`RESTARTS`), waits for a node where none has room, and a node that joins gets workers of its own.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

from ..conversion.parity import Tolerance, feature_difference
from ..datasets.place import Place
from ..errors import ClusterError, DatasetError, ParityError, first_line
from ..inference.fleet import SILENCE, Opening, by_cause
from .actor import Opened, SessionActor
from .cluster import Node, Resource, nodes
from .shards import Shard

RESTARTS = 3  # of one worker whose process or node died, and deaths that one shard may cause
_LOOK = 1.0  # seconds between looks at the nodes


class Member:
    """A worker as the driver sees it."""

    def __init__(self, number: int, actor: Any):
        self.number, self.actor = number, actor
        self.opened: Opened | None = None
        self.failure, self.deaths, self.node = "", 0, ""
        self.share: Shard | None = None
        self.progress = 0  # images of its share
        self.answer: Any = None
        self.heard = time.monotonic()

    @property
    def name(self) -> str:
        return f"worker {self.number}" + (f" on {self.node}" if self.node else "")

    def ask(self, stream: Any) -> None:
        self.answer, self.heard = stream, time.monotonic()


class Crew:
    """Actors on all nodes that have room, up to `workers`; gone when the block ends."""

    def __init__(
        self, how: Opening, dataset: Place, resource: Resource, workers: int | None = None, silence: float = SILENCE
    ):
        self.members: list[Member] = []
        self.same_bits = True
        self._how, self._dataset, self._resource = how, dataset, resource
        self._workers, self._silence = workers, silence
        self._looked, self._nodes = 0.0, list[Node]()
        self._first: Opened | None = None

    def __enter__(self) -> Crew:
        self._grow()
        return self

    def __exit__(self, *_error: object) -> None:
        import ray

        for member in self.members:
            try:
                ray.kill(member.actor)
            except (ray.exceptions.RayError, ValueError):
                pass  # it is gone

    @property
    def alive(self) -> list[Member]:
        return [member for member in self.members if not member.failure]

    @property
    def idle(self) -> list[Member]:
        """Those that are open and have nothing to do."""
        return [member for member in self.alive if member.opened and member.answer is None]

    def muster(self, everybody: bool = False) -> Opened:
        """Wait for the first worker that is open, or for all that have room; the first is what others must equal."""
        while not self.idle or (everybody and len(self.idle) < len(self.alive)):
            self.hear()
        assert self._first
        return self._first

    def hear(self) -> tuple[Member, tuple]:
        """The next message; a worker that dies, fails or falls silent is the message ``("lost", ...)``.

        Raises
        ------
        ClusterError
            When none is left, with the cause of each.
        DatasetError
            An image that is damaged.
        """
        import ray

        while True:
            self._grow()
            if not self.alive:
                raise self._none_left()
            asked = [member for member in self.alive if member.answer is not None]
            if not asked:
                time.sleep(_LOOK)
                continue
            ready, _ = ray.wait([member.answer for member in asked], num_returns=1, timeout=_LOOK)
            for member in asked:
                if member.answer in ready:
                    if (message := self._receive(member)) is not None:
                        return member, message
                elif time.monotonic() - member.heard > (limit := self._silence if member.opened else self._how.limit):
                    cause = f"no sign of life for {limit:g} s" if member.opened else f"not open after {limit:g} s"
                    ray.kill(member.actor)
                    return member, self._fail(member, cause)

    def _receive(self, member: Member) -> tuple | None:
        import ray

        try:
            kind, *content = ray.get(next(member.answer))
        except StopIteration:
            member.answer = None
            return None
        except ray.exceptions.ActorDiedError as error:
            return self._fail(member, f"died ({_cause(error)})")
        except ray.exceptions.RayActorError as error:
            return self._restart(member, _cause(error))
        except ray.exceptions.RayError as error:  # such as one that ran out of memory
            return self._fail(member, _cause(error))
        member.heard = time.monotonic()
        if kind == "image":
            raise DatasetError(content[0], where=content[1], cure=content[2])
        if kind == "failed":
            return self._fail(member, content[0])
        if kind == "placed":
            member.node = content[0]
            return None
        if kind in ("opened", "done"):
            member.answer = None
        return self._admit(member, content[0]) if kind == "opened" else (kind, *content)

    def _admit(self, member: Member, opened: Opened) -> tuple:
        """Take in a worker that computes what the first one does, to the bit or within the gate."""
        first = self._first = self._first or opened
        if identity(opened.facts) != identity(first.facts):
            return self._fail(member, "it opened another model than the first worker")
        if (opened.probe != first.probe).any():
            try:
                apart = feature_difference(first.probe, opened.probe)
            except ParityError as error:
                return self._fail(member, first_line(error))
            allowed = Tolerance()
            if apart.max_abs > allowed.max_abs or apart.min_cosine < allowed.min_cosine:
                return self._fail(member, f"its features differ from the first worker's by up to {apart.max_abs:.1e}")
            self.same_bits = False
            warnings.warn(
                f"{member.name} computes features that differ from the first worker's by up to {apart.max_abs:.1e}, "
                f"within the gate of {allowed.max_abs:g}",
                stacklevel=2,
            )
        member.opened = opened
        return "opened", opened

    def _restart(self, member: Member, cause: str) -> tuple:
        """Ray starts the actor again; what it was at goes to others, and it opens its session anew."""
        member.deaths += 1
        member.opened = None
        warnings.warn(f"{member.name} was lost ({cause}); its share is computed again", stacklevel=2)
        member.ask(_open(member.actor))
        return "lost", cause, True

    def _fail(self, member: Member, cause: str) -> tuple:
        member.failure, member.answer, member.opened = cause.rstrip(". "), None, None
        if not self.alive:
            raise self._none_left()
        warnings.warn(f"{member.name} failed ({member.failure}); the others compute its share", stacklevel=2)
        return "lost", cause, False

    def _grow(self) -> None:
        """Start workers where there is room. One that failed keeps its device, so that no other takes that one."""
        import ray

        if self.members and time.monotonic() - self._looked < _LOOK:
            return
        self._looked, self._nodes = time.monotonic(), nodes(self._resource)
        here = {node.name for node in self._nodes}
        held = sum(not member.failure or member.node in {"", *here} for member in self.members)
        room = sum(node.slots for node in self._nodes)
        for _ in range(min(room, self._workers or room) - held):
            actor: Any = (
                ray.remote(SessionActor)
                .options(
                    **self._resource.options(),
                    max_restarts=RESTARTS,
                    max_task_retries=RESTARTS,
                    scheduling_strategy="SPREAD",
                )
                .remote(self._how, self._dataset)
            )
            member = Member(len(self.members) + 1, actor)
            member.ask(_open(actor))
            self.members.append(member)

    def _none_left(self) -> ClusterError:
        what = by_cause((member.name, member.failure) for member in self.members)
        return ClusterError(
            what or "no node has room for a worker", where=self._how.model, cure="Remove the cause, and run it again."
        )


def _open(actor: Any) -> Any:
    return actor.open.options(num_returns="streaming").remote()


def identity(facts: dict[str, Any]) -> dict[str, Any]:
    """What of a session must be the same on all nodes, and in all runs that go on behind each other."""
    made_from = facts.get("exported_from") or {}
    same = {name: facts.get(name) for name in ("backend", "precision", "simulated", "options", "batch_size")}
    return {**same, "model": made_from.get("sha256") or facts.get("model_sha256")}


def _cause(error: BaseException) -> str:
    """Ray's pages on what happened, in one clause."""
    text = str(error)
    for sign, words in (
        ("node died", "its node died"),
        ("ode is dead", "its node died"),
        ("ut of memory", "its node ran out of memory"),
        ("OOM", "its node ran out of memory"),
        ("unavailable", "its process ended"),
        ("worker process has died", "its process ended"),
    ):
        if sign in text:
            return words
    return first_line(error)
