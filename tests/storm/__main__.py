"""``make storm``: many kills, a report, and exit code 1 where a kill lost or spoiled something."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tqdm import tqdm

from storm.commands import COMMANDS
from storm.report import report
from storm.runner import storm


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="make storm", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="how many (default 100)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default 1)")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="at once (default: cores)")
    parser.add_argument("--command", action="append", choices=[one.name for one in COMMANDS], help="may be repeated")
    options = parser.parse_args()
    chosen = [one for one in COMMANDS if not options.command or one.name in options.command]
    started = time.perf_counter()
    with tqdm(total=options.kills, unit="kill") as bar:
        ended = storm(chosen, options.kills, options.seed, options.workers, lambda _one: bar.update())
    print(report(ended, time.perf_counter() - started, options.seed))
    return int(any(one.faults for one in ended))


if __name__ == "__main__":
    sys.exit(main())
