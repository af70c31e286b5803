"""What each result was made with."""

from __future__ import annotations

import numpy as np

from helpers.results import accuracy, performance, rows
from osnet_lib.report.provenance import provenance_table


def test_provenance_table_names_files_hashes_and_versions():
    first, second = rows(provenance_table([accuracy(), performance(8)]))
    assert first["result"] == "accuracy-osnet_x0_25-euclidean.json" and first["weights sha256"] == "a1b2c3d4a1b2"
    assert first["data sha256"] == "b" * 12 and second["data sha256"] is None and second["numpy"] == np.__version__
