"""Tables of feature files."""

from __future__ import annotations

from helpers.results import evaluation, rows
from osnet_lib.report.features import feature_rows, features_table


def test_feature_tables():
    _, query, gallery = evaluation()
    query.conditions.update(batch_size=4, seconds=1.5)
    (row,) = rows(features_table({"query": query}))
    assert row == {"split": "query", "images": 5, "numbers in a feature": 8, "batch": 4, "seconds": 1.5}
    found = rows(feature_rows(gallery, rows=2, values=3))
    assert [r["name"] for r in found] == gallery.names[:2].tolist()
    assert found[1]["first values of the feature"] == "0.000  1.000  0.000"
