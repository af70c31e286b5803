"""Results that anybody may have edited: what cannot be shown is refused by the name of its file."""

from __future__ import annotations

import pytest

from helpers.results import engines, parity, stages
from osnet_lib.errors import ResultError
from osnet_lib.report.engines import engines_table, left_out_text, which_engine
from osnet_lib.report.parity import same_network
from osnet_lib.report.result_tables import of_result
from osnet_lib.report.stages import where_lost


@pytest.mark.parametrize(
    "show, result, name, value",
    [
        (engines_table, engines(), "candidates", [3]),
        (left_out_text, engines(), "left_out", ["cann"]),
        (which_engine, engines(), "recommendation", {"ratio": {"median": "fast", "interval": [1]}}),
        (same_network, parity(), "stages", []),
        (where_lost, stages(), "stages", [{"batch_size": 1}]),
    ],
)
def test_what_cannot_be_shown_names_its_file(show, result, name, value):
    assert show(result)
    result.values[name] = value
    with pytest.raises(ResultError, match=f"{result.file_name}: holds something else than its table shows"):
        show(result)


def test_a_function_of_one_result_keeps_its_name():
    @of_result
    def shown(result):
        """What it shows."""
        return result.kind

    assert (shown(parity()), shown.__name__, shown.__doc__) == ("parity", "shown", "What it shows.")
