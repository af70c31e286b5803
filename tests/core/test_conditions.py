"""Facts of sessions, models, data sets and environments: the keys of files, read whatever the files hold."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from osnet_lib.core.conditions import DatasetFacts, Environment, ModelFacts, SessionFacts, short
from osnet_lib.core.host import environment
from osnet_lib.core.results import Result, read_result
from osnet_lib.features.store import Features, load_features

BEFORE = Path(__file__).parents[1] / "end_to_end" / "before"  # files that version 0.1.0 wrote
KINDS = {"session": SessionFacts, "model": ModelFacts, "dataset": DatasetFacts, "environment": Environment}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("path", sorted((BEFORE / "results").glob("*.json")), ids=lambda path: path.name.split("-")[0])
def test_facts_of_earlier_files_are_written_as_they_were(path):
    result = read_result(path)
    stated = {part: result.conditions[part] for part in KINDS if part in result.conditions}
    assert "environment" in stated
    assert {part: getattr(result, part).as_dict() for part in stated} == stated


def test_features_made_before_tell_their_session_and_data():
    features = load_features(BEFORE / "features" / "query.npz")
    assert (features.session.backend, features.session.batch_size, features.dataset.file) == ("onnxruntime", 2, "small")
    assert features.session.as_dict() == features.conditions["session"]


def test_what_a_file_lacks_is_none():
    result, features = (
        Result("parity", "x", {}, {}),
        Features(np.array(["a"]), *np.ones((2, 1), int), np.ones((1, 2))),
    )
    for facts in (result.session, result.model, result.dataset, result.environment, features.session, features.dataset):
        assert {value for value in vars(facts).values() if value != {}} == {None}
    assert result.environment.versions == {} and result.environment.versions.get("numpy") is None


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@settings(max_examples=30)
@given(data=st.data())
def test_whatever_a_file_holds_is_read_and_other_forms_are_none(kind, data):
    names = [fact.name for fact in fields(kind)]
    stated = data.draw(JSON | st.dictionaries(st.sampled_from([*names, "of another version"]), JSON))
    facts = kind.read(stated)
    found = stated if isinstance(stated, dict) else {}
    for name, value in vars(facts).items():
        assert value in (None, {}) or value == found[name]
    assert json.loads(json.dumps(facts.as_dict())) == facts.as_dict()
    assert kind.read(facts.as_dict()) == facts


@pytest.mark.parametrize(
    "fact, stated, read",
    [
        ("backend", "torch", "torch"),
        ("backend", 3, None),
        ("threads", 2, 2),
        ("threads", "two", None),
        ("simulated", False, False),
        ("simulated", "no", None),
        ("versions", {"numpy": "2.0"}, {"numpy": "2.0"}),
        ("versions", ["numpy"], {}),
    ],
)
def test_a_fact_has_the_form_it_states(fact, stated, read):
    assert getattr(SessionFacts.read({fact: stated, "device_id": 3}), fact) == read


def test_facts_cannot_be_changed_and_are_written_as_copies():
    facts = SessionFacts(backend="torch", versions={"numpy": "2.0"})
    with pytest.raises(FrozenInstanceError):
        facts.backend = "onnxruntime"
    facts.as_dict()["versions"].clear()
    assert facts.versions == {"numpy": "2.0"}


def test_keys_are_written_though_unknown_but_not_those_that_say_nothing():
    assert SessionFacts().as_dict()["batch_size"] is None and "checkpoint" not in SessionFacts().as_dict()
    assert SessionFacts(checkpoint={"key": "ema"}).as_dict()["checkpoint"] == {"key": "ema"}
    assert list(environment()) == ["python", "system", "machine", "cores", "versions"]


def test_a_hash_is_shortened_where_there_is_one():
    assert (short("0123456789"), short("0123456789", 2), short(None)) == ("01234567", "01", None)
