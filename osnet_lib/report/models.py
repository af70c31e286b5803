"""Tables of the report: what was measured, beside what was published and marked so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..core.files import read_json, sha256
from ..core.table import Table
from .words import named_facts

if TYPE_CHECKING:
    from ..ascend.aipp import AippError
    from ..ascend.atc import AtcCommand
    from ..conversion.onnx_file import OnnxFile
    from ..conversion.parity import Parity
    from ..network.checkpoint import Checkpoint


def checkpoint_table(checkpoint: Checkpoint) -> Table:
    """What a checkpoint is: its network, sizes and hash."""
    return named_facts(checkpoint.describe())


def onnx_table(model: OnnxFile) -> Table:
    """What an ONNX file says about itself."""
    return Table.from_mapping(
        {
            "file": model.path.name,
            "opset in the file": model.opset,
            "nodes": model.nodes,
            "input": f"{model.input_name} [{', '.join(map(str, model.input_shape))}]",
            "output": f"{model.output_name} [{', '.join(map(str, model.output_shape))}]",
            "sha256": model.sha256,
        }
    )


def simplified_table(source: OnnxFile, models: list[OnnxFile]) -> Table:
    """What simplifying and fixing the batch did, one row a batch size."""
    return Table.from_records(
        [
            {"file": m.path.name, "batch": m.batch_size, "nodes before": source.nodes, "nodes after": m.nodes}
            for m in models
        ]
    )


def om_table(converted: list[tuple[AtcCommand, Path]]) -> Table:
    """OMs that ATC made here, one row a batch size or set of gears."""
    records = [
        {
            "file": path.name,
            "chip": command.soc_version,
            "batch": ", ".join(map(str, command.batch_sizes)),
            "MB": path.stat().st_size / 1e6,
            "sha256": sha256(path)[:16],
        }
        for command, path in converted
    ]
    return Table.from_records(records, columns=("file", "chip", "batch", "MB", "sha256"))


def aipp_table(error: AippError) -> Table:
    """How far normalisation on the device can be from the float path, in units of the normalised image; computed."""
    rows = [
        ("mean_chn and min_chn share the mean, as written here", error.split_parameters, error.split_float16),
        ("min_chn holds the whole mean", error.naive_parameters, error.naive_float16),
    ]
    return Table(("configuration", "float16 parameters", "float16 throughout"), tuple(rows))


def parity_table(parities: list[Parity]) -> Table:
    """One row a stage and batch size; differences are of features, absolute, against torch."""
    records = [
        {
            "stage": p.stage,
            "batch": p.batch_size,
            "images": p.images,
            "max |difference|": p.max_abs,
            "mean |difference|": p.mean_abs,
            "min cosine": p.min_cosine,
            "row i against image i alone": p.row_max_abs,
            "allowed": p.allowed_max_abs,
            "cosine allowed": p.allowed_cosine,
            "gate": "passed" if p.passed else "failed",
        }
        for p in parities
    ]
    formats = {
        "max |difference|": ".1e",
        "mean |difference|": ".1e",
        "min cosine": ".7f",
        "allowed": "g",
        "row i against image i alone": ".1e",
        "cosine allowed": "g",
    }
    return Table.from_records(records, formats=formats if records else None)


def card_table(path: Path) -> Table:
    """The card beside a weights file; for weights without one, a table that says so."""
    card = path.with_suffix(".json")
    try:
        facts = read_json(card)
        if facts["sha256"] != sha256(path):
            return Table.from_mapping({"card": f"{card.name} is of other weights than {path.name}"})
        data, recipe, training, result = (facts[name] for name in ("data", "recipe", "training", "result"))
        return Table.from_mapping(
            {
                "note": facts["warning"],
                "trained on": (
                    f"{data['name']}, seed {data['seed']}: {data['train_images']} images of "
                    f"{data['train_identities']} identities"
                ),
                "recipe": ", ".join(f"{name} {value}" for name, value in recipe.items()),
                "time": f"{training['seconds'] / 60:.1f} minutes on {training['device']}",
                "scored on": (
                    f"{data['test_queries']} queries, {data['test_gallery']} gallery images, "
                    f"{result['metric']} distance"
                ),
                "Rank-1": f"{100 * result['rank']['1']:.2f} %",
                "mAP": f"{100 * result['mAP']:.2f} %",
                "untrained, Rank-1": f"{100 * facts['untrained']['rank']['1']:.2f} %",
                "sha256": facts["sha256"],
            }
        )
    except FileNotFoundError:
        return Table.from_mapping({"card": f"none beside {path.name}"})
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):  # any file may have this name
        return Table.from_mapping({"card": f"{card.name} beside {path.name} is no card"})
