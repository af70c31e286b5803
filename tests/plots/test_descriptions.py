"""The sentences of the figures: each is made of the values that were drawn."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

from osnet_lib import plots
from osnet_lib.conversion.parity import Parity
from osnet_lib.features.projection import IdentityMap, Projection
from osnet_lib.metrics import camera_pairs, evaluate, pair_histogram, verify
from osnet_lib.plots.descriptions import SENTENCES, describe, sentence
from osnet_lib.plots.style import new_chart
from osnet_lib.published.chips import chips
from osnet_lib.published.roofline import roofline_points

# two queries, of which the first has its right answer first and the other has it second
QUERY = (np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1, 2]), np.array([1, 1]))
GALLERY = (np.array([[0.0, 1.0], [0.9, 0.1], [0.5, 0.5]]), np.array([1, 3, 2]), np.array([2, 2, 2]))


def test_a_description_is_the_alternative_text_of_the_picture_with_its_values():
    said = [sentence("cmc of", label=label, first=1.0, last=np.float64(2.0), rank=5) for label in ("a", "b")]
    chart = describe(new_chart(1.0, 2.0), sentence("cmc"), *said)
    picture, facts = chart._repr_mimebundle_()
    (told,) = facts.values()
    assert list(picture) == list(facts) and told["alt"].startswith("Share of queries")
    assert told["values"] == {"label": "a", "first": 1.0, "last": 2.0, "rank": 5}
    assert new_chart(1.0, 2.0)._repr_mimebundle_()[1] == {}


@pytest.mark.parametrize("template", SENTENCES.values(), ids=SENTENCES)
def test_every_template_is_a_sentence_or_two(template):
    assert re.match(r"[A-Z{].*\.$", template) and len(template.split()) >= 4 and "  " not in template


def test_a_missing_value_is_no_blank():
    with pytest.raises(KeyError):
        sentence("rounds of", rounds=3)


def parity(stage: str, worst: float) -> Parity:
    fields = dict.fromkeys(Parity.__dataclass_fields__, 0.0)
    return Parity(
        **{**fields, "stage": stage, "batch_size": 4, "max_abs": worst, "mean_abs": 1e-8, "row_max_abs": 1e-8}
    )


@pytest.mark.parametrize(
    "draw, said",
    [
        (
            lambda: plots.plot_cmc({"euclidean": evaluate(QUERY, GALLERY)}, ranks=2),
            "euclidean: 50.0 % at rank 1 and 100.0 % at rank 2.",
        ),
        (
            lambda: plots.plot_ap({"euclidean": evaluate(QUERY, GALLERY)}),
            "the mean of 2 queries is 75.0 %, the median 75.0 %; 0 queries",
        ),
        (
            lambda: plots.plot_camera_pairs(camera_pairs(QUERY, GALLERY)),
            "camera 1 to 2 is worst with 50.0 % of 2 queries",
        ),
        (
            lambda: plots.plot_pairs(pair_histogram(QUERY, GALLERY), verify(QUERY, GALLERY)),
            "half of the 2 pairs of one identity lie below",
        ),
        (
            lambda: plots.plot_rounds([(8, [1.0, 2.0, 3.0], "quiet")]),
            "Batch 8, quiet: the median of 3 rounds is 2 ms, and 99 %",
        ),
        (lambda: plots.plot_rounds([]), "nothing was measured"),
        (lambda: plots.plot_speeds([]), "nothing was measured"),
        (
            lambda: plots.plot_speeds([("A", 1, 10.0, None), ("A", 8, 90.0, None), ("B", 4, 35.0, None)]),
            "The fastest is A at batch 8, with 90.",
        ),
        (
            lambda: plots.plot_parity([parity("exported", 1e-6), parity("simplified", 3e-6)]),
            "the largest is 3e-06, of simplified at batch 4",
        ),
        (lambda: plots.plot_best_batch(roofline_points()), "is fastest at batch 8, with 4,075."),
        (lambda: plots.plot_roofline(chips(), roofline_points()), "of its peak, at batch 8."),
    ],
)
def test_the_values_are_those_that_were_drawn(draw, said):
    alt = draw().alt
    assert said in alt and alt.endswith(".")


def test_a_map_counts_the_queries_that_lie_with_others():
    points = np.array([[0.0, 0.0], [9.0, 0.0], [0.1, 0.0], [0.2, 0.0]])  # two in the gallery, two queries
    where = Projection(points, np.array([0.5, 0.25]))
    pids, queries = np.array([1, 2, 1, 2]), np.array([False, False, True, True])
    identities = SimpleNamespace(
        projection=where, pids=pids, camids=np.ones(4, int), is_query=queries, metric="euclidean"
    )
    assert set(vars(identities)) <= set(IdentityMap.__dataclass_fields__)
    assert "holds 75 % of the variance: 1 of 2 queries lie nearer" in plots.plot_map(identities).alt
