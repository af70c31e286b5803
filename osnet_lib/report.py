"""Tables of the report: what was measured, beside what was published and marked so."""

from __future__ import annotations

import json
from pathlib import Path

from .ascend.aipp import AippError
from .ascend.atc import AtcCommand
from .benchmark import Benchmark
from .features import Features
from .files import sha256
from .onnxfile import OnnxFile
from .parity import Parity
from .published import published_throughput
from .results import NOT_MEASURED, Result
from .table import Table


def onnx_table(model: OnnxFile) -> Table:
    """What an ONNX file says about itself."""
    return Table.from_mapping({
        "file": model.path.name, "opset in the file": model.opset, "nodes": model.nodes,
        "input": f"{model.input_name} [{', '.join(map(str, model.input_shape))}]",
        "output": f"{model.output_name} [{', '.join(map(str, model.output_shape))}]", "sha256": model.sha256})


def simplified_table(source: OnnxFile, models: list[OnnxFile]) -> Table:
    """What simplifying and fixing the batch did, one row a batch size."""
    return Table.from_records([{"file": m.path.name, "batch": m.batch_size, "nodes before": source.nodes,
                                "nodes after": m.nodes} for m in models])


def om_table(converted: list[tuple[AtcCommand, Path]]) -> Table:
    """OMs that ATC made here, one row a batch size or set of gears."""
    records = [{"file": path.name, "chip": command.soc_version, "batch": ", ".join(map(str, command.batch_sizes)),
                "MB": path.stat().st_size / 1e6, "sha256": sha256(path)[:16]} for command, path in converted]
    return Table.from_records(records, columns=("file", "chip", "batch", "MB", "sha256"))


def aipp_table(error: AippError) -> Table:
    """How far normalisation on the device can be from the float path, in units of the normalised image; computed."""
    rows = [("mean_chn and min_chn share the mean, as written here", error.split_parameters, error.split_float16),
            ("min_chn holds the whole mean", error.naive_parameters, error.naive_float16)]
    return Table(("configuration", "float16 parameters", "float16 throughout"), tuple(rows))


def parity_table(parities: list[Parity]) -> Table:
    """One row a stage and batch size; differences are of features, absolute, against torch."""
    records = [{"stage": p.stage, "batch": p.batch_size, "images": p.images, "max |difference|": p.max_abs,
                "mean |difference|": p.mean_abs, "min cosine": p.min_cosine,
                "row i against image i alone": p.row_max_abs,
                "allowed": p.allowed_max_abs, "cosine allowed": p.allowed_cosine,
                "gate": "passed" if p.passed else "failed"} for p in parities]
    formats = {"max |difference|": ".1e", "mean |difference|": ".1e", "min cosine": ".7f", "allowed": "g",
               "row i against image i alone": ".1e", "cosine allowed": "g"}
    return Table.from_records(records, formats=formats if records else None)


def features_table(splits: dict[str, Features]) -> Table:
    """Sizes of feature files, and the time of the run that made them."""
    return Table.from_records([{"split": name, "images": len(f), "numbers in a feature": f.features.shape[1],
                                "batch": f.conditions["batch_size"],
                                "seconds": _speed(f.conditions["seconds"], f.conditions)}
                               for name, f in splits.items()])


def _speed(value: object, values: dict, text: str | None = None) -> object:
    """A cell with a time or a rate; where it was not measured, why not."""
    return values.get("not_measured", NOT_MEASURED) if value is None else value if text is None else format(value, text)


def feature_rows(features: Features, rows: int = 5, values: int = 6) -> Table:
    """The first rows of a feature file, cut after a few values."""
    return Table.from_records([{"name": str(name), "pid": int(pid), "camid": int(camid),
                                "first values of the feature": "  ".join(f"{v:.3f}" for v in feature[:values])}
                               for name, pid, camid, feature, _ in zip(features.names, features.pids, features.camids,
                                                                       features.features, range(rows))])


def card_table(path: Path) -> Table:
    """The card beside a weights file; for weights without one, a table that says so."""
    card = path.with_suffix(".json")
    try:
        facts = json.loads(card.read_text("utf-8"))
        if facts["sha256"] != sha256(path):
            return Table.from_mapping({"card": f"{card.name} is of other weights than {path.name}"})
        data, recipe, training, result = (facts[name] for name in ("data", "recipe", "training", "result"))
        return Table.from_mapping({
            "note": facts["warning"],
            "trained on": (f"{data['name']}, seed {data['seed']}: {data['train_images']} images of "
                           f"{data['train_identities']} identities"),
            "recipe": ", ".join(f"{name} {value}" for name, value in recipe.items()),
            "time": f"{training['seconds'] / 60:.1f} minutes on {training['device']}",
            "scored on": (f"{data['test_queries']} queries, {data['test_gallery']} gallery images, "
                          f"{result['metric']} distance"),
            "Rank-1": f"{100 * result['rank']['1']:.2f} %", "mAP": f"{100 * result['mAP']:.2f} %",
            "untrained, Rank-1": f"{100 * facts['untrained']['rank']['1']:.2f} %", "sha256": facts["sha256"],
        })
    except FileNotFoundError:
        return Table.from_mapping({"card": f"none beside {path.name}"})
    except (ValueError, KeyError, TypeError):  # any file may have this name
        return Table.from_mapping({"card": f"{card.name} beside {path.name} is no card"})


def session_table(facts: dict) -> Table:
    """What computed: the description of a session as names and values."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return Table.from_mapping({**facts, "versions": versions})


def benchmark_table(measured: Benchmark) -> Table:
    """One measurement as names and values."""
    values, session = measured.values(), measured.conditions
    latency, spread = values["latency_ms"], values["relative_spread"]
    return Table.from_mapping({
        "batch": measured.batch_size, "throughput, images/s": _speed(values["throughput"], values, ".2f"),
        "ave_throughputRate, samples/s": _speed(values["ave_throughputRate"], values, ".3f"),
        "ave_latency, ms per image": _speed(values["ave_latency"], values, ".5f"),
        **{f"batch latency {name}, ms": _speed(latency[name], values, ".3f")
           for name in ("mean", "median", "p90", "p99", "min", "max")},
        "spread (standard deviation / mean)": _speed(spread, values) if spread is None else f"{100 * spread:.1f} %",
        "rounds after warm-up": f"{values['rounds']} after {measured.warmup}",
        "backend": f"{session['backend']} ({session['provider']})", "device": session["device"],
        "threads": session["threads"],
        "precision": session["precision"], "model": f"{session['model']}, sha256 {session['model_sha256'][:12]}…",
    })


def performance_table(results: list[Result]) -> Table:
    """Measured speeds of every condition, by network, backend and batch."""
    records = []
    for result in sorted(results, key=_performance_order):
        session, values = result.conditions["session"], result.values
        latency = values["latency_ms"]
        speeds = {"images/s": values["throughput"], "ms/image": values["ave_latency"],
                  "batch median, ms": latency["median"], "p99, ms": latency["p99"],
                  "spread": values["relative_spread"]}
        records.append({
            "network": result.conditions["model"]["architecture"],
            "computed by": ", ".join([*_backend(result), session["precision"], session["device"], *_threads(session)]),
            "batch": result.conditions["batch_size"],
            **{name: _speed(speed, values) if values.get("not_measured") else speed for name, speed in speeds.items()},
            "rounds": values["rounds"]})
    formats = {"images/s": ".1f", "ms/image": ".2f", "batch median, ms": ".2f", "p99, ms": ".2f", "spread": ".1%"}
    return Table.from_records(records, formats=formats if records else None)


def _performance_order(result: Result) -> tuple:
    session = result.conditions["session"]
    return (result.conditions["model"]["architecture"], session["backend"], session["device"], session["threads"] or 0,
            result.conditions["batch_size"])


def _backend(result: Result) -> tuple[str, ...]:
    """What computed; of a figure that another tool measured elsewhere, that tool, and that it was imported."""
    return (result.conditions["session"]["backend"], *(["imported"] if "imported" in result.conditions else []))


def _threads(session: dict) -> list[str]:
    return [] if session["threads"] is None else [f"{session['threads']} threads"]


def published_throughput_table() -> Table:
    """The published speeds, one row a batch, one column a device; images per second."""
    entries = published_throughput("osnet_x1_0")
    devices = list(dict.fromkeys(e.device for e in entries))
    records = []
    for batch in sorted({e.batch_size for e in entries}):
        cells = {e.device: e.throughput for e in entries if e.batch_size == batch}
        records.append({"batch": batch, **{f"{device} (published)": cells.get(device) for device in devices}})
    return Table.from_records(records, formats={f"{device} (published)": ".10g" for device in devices})


def throughput_series(results: list[Result]) -> tuple[list[tuple], list[tuple], list[tuple]]:
    """Measured, published and imported points for `plots.plot_throughput`: (label, batch, images/s, spread or None).

    A label names network, backend and threads, and what else differs where two lines would share it. Results without a
    speed, of simulated devices, are left out.
    """
    results = [result for result in results if result.values["throughput"] is not None]

    def label(result: Result) -> str:
        session = result.conditions["session"]
        return ", ".join([result.conditions["model"]["architecture"], session["backend"], *_threads(session)])

    def details(result: Result) -> tuple[str, ...]:
        session = result.conditions["session"]
        return session["precision"], session["device"], f"weights {result.conditions['model']['sha256'][:8]}"

    lines: dict[str, set[tuple[str, ...]]] = {}
    for result in results:
        lines.setdefault(label(result), set()).add(details(result))
    measured, imported = [], []
    for result in sorted(results, key=_performance_order):
        points = imported if "imported" in result.conditions else measured
        name = label(result) if len(lines[label(result)]) == 1 else ", ".join([label(result), *details(result)])
        points.append((name, result.conditions["batch_size"], result.values["throughput"],
                       result.values["relative_spread"]))
    published = [(e.device, e.batch_size, e.throughput, None) for e in published_throughput("osnet_x1_0")]
    return measured, published, imported


def provenance_table(results: list[Result]) -> Table:
    """Which model, data and versions each result file was made with."""
    records = []
    for result in results:
        c, e = result.conditions, result.conditions["environment"]
        records.append({"result": result.file_name, "weights sha256": c["model"]["sha256"][:12],
                        "data sha256": c["dataset"]["sha256"][:12] if "dataset" in c else None,
                        "Python": e["python"],
                        **{name: e["versions"][name] for name in ("torch", "onnx", "onnxruntime", "numpy")}})
    return Table.from_records(records)
