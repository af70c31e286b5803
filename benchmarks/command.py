"""The command line that the benchmarks share: numbers as options, a report, a JSON file, an exit code."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from osnet_lib.core.files import write_json
from osnet_lib.errors import OSNetError


def command(document: str, numbers: Mapping[str, int]) -> argparse.ArgumentParser:
    """A parser described by the first line of a module's docstring, with an option for each number, and ``--json``."""
    parser = argparse.ArgumentParser(description=document.split("\n")[0])
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    parser.add_argument("--json", metavar="FILE", help="also write every round and all conditions")
    return parser


def parse(
    parser: argparse.ArgumentParser, numbers: Mapping[str, int], arguments: list[str] | None
) -> argparse.Namespace:
    """The options; exit code 2 for numbers that make no sense."""
    options = parser.parse_args(arguments)
    for name in numbers:
        if getattr(options, name.replace("-", "_")) < (name != "seed"):
            parser.error(f"--{name} counts from {int(name != 'seed')}")
    return options


def ratio_words(ratio: dict[str, Any]) -> str:
    """The values of a paired ratio: the median and, where there are pairs enough, its interval."""
    low, high = ratio["interval"]
    return f"{ratio['median']:.3f}" + ("" if low is None else f" ({low:.3f} to {high:.3f})")


@contextmanager
def refusals(parser: argparse.ArgumentParser) -> Iterator[None]:
    """What the library refuses ends in one line and exit code 2."""
    try:
        yield
    except OSNetError as error:
        parser.error(str(error))


def finish(measured: dict[str, Any], report: Callable[[dict[str, Any]], str], json: str | None) -> int:
    """Print the report, write the file; 1 where figures differ, or memory exceeds a limit that there is."""
    print(report(measured))
    if json:
        print(write_json(json, measured))
    return 0 if measured["same"] and measured.get("fits", True) else 1
