"""Tables of the chapter on the speed of the evaluation itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.table import Table
from .result_tables import of_results

if TYPE_CHECKING:
    from ..core.results import Result

OURS = {"metrics": "evaluate", "reranking": "rerank"}
WORDS = {  # what the contestants of the scripts are
    "evaluate": "evaluate, this package",
    "rerank": "rerank, this package",
    "matrix product alone": "the matrix product alone",
    "argsort loop": "plain numpy: sort each row, loop over queries",
    "list loop": "plain Python, the steps of torchreid's",
    "dense": "published numpy algorithm, dense matrices",
}


@of_results
def evaluation_speed_table(results: Sequence[Result]) -> Table:
    """Every contestant of evaluation and re-ranking: seconds, how many times ours that is, memory, measured or scaled.

    Rows of one benchmark stand together, this package first. Allocated is what a call takes beside its input; the
    whole process holds interpreter, libraries and input as well.
    """
    records = []
    for result in (r for r in results if r.conditions["benchmark"] in OURS):
        values, conditions = result.values, result.conditions
        ours = values["seconds"][OURS[conditions["benchmark"]]]["median"]
        size = {"queries": conditions["queries"], "gallery": conditions["gallery"]}
        allocated, whole = values.get("peak_bytes", {}), values.get("peak_rss_bytes", {})
        for name, times in sorted(values["seconds"].items(), key=lambda item: item[1]["median"] != ours):
            scaled = name == "list loop" and conditions["loop_queries"] < conditions["queries"]
            figure = f"scaled from {conditions['loop_queries']} queries" if scaled else "measured"
            records.append(
                {
                    "program": WORDS.get(name, name),
                    **size,
                    "time": figure,
                    "seconds": times["median"],
                    "range": f"{times['min']:.2f} to {times['max']:.2f}",
                    "times ours": times["median"] / ours,
                    "allocated, MB": allocated[name] / 1e6 if name in allocated and not scaled else None,
                    "whole process, MB": whole[name] / 1e6 if name in whole else None,
                    "rounds": conditions["rounds"],
                    "cores": result.environment.cores,
                }
            )
    formats = dict.fromkeys(("allocated, MB", "whole process, MB"), ",.0f") | {"seconds": ".2f", "times ours": ".1f"}
    return Table.from_records(records, formats=formats if records else None)


@of_results
def gallery_size_table(results: Sequence[Result]) -> Table:
    """Time and memory of the evaluation as distractors are added, one row a size of the gallery."""
    records = [
        {
            "queries": result.conditions["queries"],
            "distance": result.conditions["metric"],
            "distractors": size["distractors"],
            "gallery": size["gallery"],
            "seconds": size["seconds"]["median"],
            "range": f"{size['seconds']['min']:.2f} to {size['seconds']['max']:.2f}",
            "µs per gallery image": size["microseconds_per_image"],
            "features, MB": size["input_bytes"] / 1e6,
            "whole process, MB": size["peak_rss_bytes"] / 1e6,
            "Rank-1": size["rank1"],
            "mAP": size["mAP"],
            "rounds": result.conditions["rounds"],
            "cores": result.environment.cores,
        }
        for result in results
        if result.conditions["benchmark"] == "distractors"
        for size in result.values["sizes"]
    ]
    formats = (
        {
            "seconds": ".2f",
            "µs per gallery image": ".2f",
            "features, MB": ",.0f",
            "whole process, MB": ",.0f",
            "Rank-1": ".2%",
            "mAP": ".2%",
        }
        if records
        else None
    )
    return Table.from_records(records, formats=formats)


@of_results
def evaluation_conditions_table(results: Sequence[Result]) -> Table:
    """Under what the benchmarks ran, one row a result file."""
    records = []
    for result in results:
        conditions = result.conditions
        records.append(
            {
                "result file": result.file_name,
                "width": conditions["width"],
                "distance": conditions["metric"],
                "rounds": conditions["rounds"],
                "cores": result.environment.cores,
                "python": result.environment.python,
                "numpy": result.environment.versions.get("numpy"),
                "same figures": result.values["same"],
                "verdict": result.values.get("verdict", "not judged"),
                "because": "; ".join(result.values.get("reasons", [])) or None,
                "distances apart at most": result.values.get("difference", {}).get("max"),
            }
        )
    return Table.from_records(records, formats={"distances apart at most": ".0e"} if records else None)
