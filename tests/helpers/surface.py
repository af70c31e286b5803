"""What people and their scripts rely on, gathered from the project as it is; ``end_to_end/surface.json`` recorded it.

A change that is meant is written into the record by hand, and into the CHANGELOG.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import papermill

from helpers.paths import ROOT
from osnet_lib.cli.main import _parser


def commands(parser: argparse.ArgumentParser) -> dict[str, dict]:
    """Every subcommand with its arguments: how they are written, what they default to, whether they must be given."""
    group = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return {
        name: {
            "/".join(action.option_strings) or action.dest: {
                "dest": action.dest,
                "default": action.default,
                "required": action.required,
                "nargs": action.nargs,
                "choices": action.choices and list(action.choices),
                "type": action.type and action.type.__name__,
                "metavar": action.metavar,
                "action": type(action).__name__,
            }
            for action in command._actions
            if action.dest != "help"
        }
        for name, command in sorted(group.choices.items())
    }


def make_words() -> dict[str, list[str]]:
    """Targets of the Makefile, and the variables that people set."""
    text = (ROOT / "Makefile").read_text("utf-8")
    exported = re.findall(r"^export (.+)$", text, re.M)
    return {
        "targets": sorted(re.findall(r"^([a-z][\w-]*):", text, re.M)),
        "variables": sorted({*" ".join(exported).split(), *re.findall(r"^(\w+)\s*\?=", text, re.M)}),
    }


def notebook_parameters() -> dict[str, dict]:
    """Type and default of every parameter of every notebook."""
    return {
        path.stem: {
            name: [facts["inferred_type_name"], facts["default"]]
            for name, facts in papermill.inspect_notebook(str(path)).items()
        }
        for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
    }


def keys(value: object, depth: int = 6) -> object:
    """The shape of a JSON document: names, and of a list its first item; numbers as names count as one."""
    if isinstance(value, dict) and depth:
        return {re.sub(r"^\d+$", "N", name): keys(inner, depth - 1) for name, inner in sorted(value.items())}
    return [keys(value[0], depth - 1)] if isinstance(value, list) and value and isinstance(value[0], dict) else None


def files_made(folder: Path, dataset: Path, weights: Path) -> dict[str, list[str]]:
    """The names of the files that each command writes, in a folder of its own making."""
    steps = [
        ["export", str(weights), "osnet.onnx"],
        ["simplify", "osnet.onnx", "osnet_bs2_sim.onnx", "--batch-size", "2"],
        ["extract", "osnet_bs2_sim.onnx", str(dataset), "features", "--threads", "1"],
        ["evaluate", "features/query.npz", "features/gallery.npz", ".", "scores"],
        ["preprocess", str(dataset / "query"), "prep"],
        ["info", "bin", "prep", "prep.info", "128", "256"],
        ["infer", "osnet_bs2_sim.onnx", "prep.info", "result", "--batch-size", "2", "--threads", "1"],
        ["benchmark", "osnet_bs2_sim.onnx", "--batch-size", "2", "--rounds", "2", "--warmup", "1", "--threads", "1"],
    ]
    made, known = {}, set()
    for words in steps:
        subprocess.run([sys.executable, "-m", "osnet_lib", *words], cwd=folder, check=True, capture_output=True)
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        made[words[0]], known = sorted(names - known), names
    return made


def lacking(record: object, found: object, place: str = "") -> list[str]:
    """Where `found` does not hold what `record` does; it may hold more names and more choices."""
    if isinstance(record, dict) and isinstance(found, dict):
        return [f"{place}{name}: gone" for name in record if name not in found] + [
            text for name in record if name in found for text in lacking(record[name], found[name], f"{place}{name} > ")
        ]
    if isinstance(record, list) and isinstance(found, list) and record != found:
        if all(isinstance(item, str) for item in record):
            return [f"{place}{item}: gone" for item in record if item not in found]
        return [text for one, other in zip(record, found) for text in lacking(one, other, place)]
    return [] if record == found else [f"{place}{record!r} became {found!r}"]


def surface() -> dict:
    """All of it that is known without running a step."""
    return {"commands": commands(_parser()), "make": make_words(), "notebooks": notebook_parameters()}
