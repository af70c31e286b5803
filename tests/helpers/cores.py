"""Each of several pytest workers keeps to cores of its own, so that their threads do not wait for each other.

One worker more than there are cores shares one of them, so that it works while another waits for processes: threads on
all cores would wait for each other, and spin. Imported before anything that starts threads; processes that tests start
inherit it.
"""

from __future__ import annotations

import os

_WORKER, _WORKERS = (os.environ.get(f"PYTEST_XDIST_WORKER{name}", "") for name in ("", "_COUNT"))

if _WORKER and hasattr(os, "sched_setaffinity"):
    _cores = sorted(os.sched_getaffinity(0))
    _number, _count = int(_WORKER.removeprefix("gw")), int(_WORKERS)
    os.sched_setaffinity(0, _cores[_number % len(_cores) :: min(_count, len(_cores))])
