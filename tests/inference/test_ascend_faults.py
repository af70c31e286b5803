"""Every pyACL call that a session makes is made to fail: the right exception, nothing left, and the next session works.

The call sites are not listed by hand: a clean run is recorded, and each call in it is one site.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

from helpers import networks
from helpers.npu import make_om, tiny_features as compute
from osnet_lib.ascend.acl import AclError
from osnet_lib.ascend.acl_codes import BARE
from osnet_lib.errors import SessionError
from osnet_lib.inference.session import open_session

images, tiny_features = cache(networks.images), cache(lambda n, seed=0: compute(images(n, seed)))

MEMORY, LOST, WRONG = (207001, 245000), (507033, 507899), (107000, 107002)
PLAUSIBLE = {
    "acl.init": (100003, 500000, 507033),
    "acl.finalize": (500000, 507899),
    "acl.rt.get_device_count": (207004, *LOST),
    "acl.rt.set_device": (107001, 207005, *LOST),
    "acl.rt.reset_device": LOST,
    "acl.rt.create_context": (107001, *MEMORY),
    "acl.rt.destroy_context": (507007, 107000),
    "acl.rt.set_context": WRONG,
    "acl.rt.get_run_mode": WRONG,
    "acl.rt.create_stream": (207008, *MEMORY),
    "acl.rt.destroy_stream": (507000, 107003),
    "acl.mdl.load_from_file": (145002, 145006, 245000, 507008, 500002),
    "acl.mdl.unload": (145003, 545009),
    "acl.mdl.get_desc": (145003, 545008),
    "acl.mdl.destroy_desc": (100000, 500000),
    "acl.mdl.get_input_dims": (100000, 545008),
    "acl.mdl.get_output_dims": (100000, 545008),
    "acl.mdl.get_input_index_by_name": (100000, 500001),
    "acl.mdl.get_dynamic_batch": (100000, 545008),
    "acl.rt.malloc": MEMORY,
    "acl.rt.free": (107000, 207002),
    "acl.rt.malloc_host": MEMORY,
    "acl.rt.free_host": (107000, 207002),
    "acl.mdl.add_dataset_buffer": (100000, 200000),
    "acl.destroy_data_buffer": (100000, 500000),
    "acl.mdl.destroy_dataset": (100000, 500000),
    "acl.rt.memcpy": (107000, 507899),
    "acl.rt.memcpy_async": (107003, 507002),
    "acl.rt.create_event": (207007, 207001),
    "acl.rt.record_event": (107003, 507000),
    "acl.rt.stream_wait_event": (107003, 507000),
    "acl.rt.synchronize_event": (507011, 507047),
    "acl.rt.destroy_event": (507000, 107000),
    "acl.mdl.set_dynamic_batch_size": (145013, 100000),
    "acl.mdl.execute": (107002, 145000, 507011, 507014),
    "acl.mdl.execute_async": (107003, 145000, 507011),
    "acl.rt.synchronize_stream": (507011, 507046),
}
SILENT = {"acl.get_soc_name"}  # without it the chip has no name, and all else works


def scenario(npu, static, dynamic) -> None:
    """What a session does in its life: set-up, run, gears, stream, close; and the end of the process."""
    with open_session(static) as session:
        np.testing.assert_allclose(session.run(images(2)), tiny_features(2), atol=1e-4)
        for seed, features in enumerate(session.stream(images(2, seed) for seed in range(3))):
            np.testing.assert_allclose(features, tiny_features(2, seed), atol=1e-4)
    with open_session(dynamic) as session:
        for n in (1, 2):
            np.testing.assert_allclose(session.run(images(n)), tiny_features(n), atol=1e-4)
        assert [len(f) for f in session.stream([images(2), images(1), images(2)])] == [2, 1, 2]
        stream = session.stream([images(2)] * 3)
        next(stream)
        stream.close()
    npu.process.finalise()


@pytest.fixture
def models(tmp_path):
    return make_om(tmp_path, [2], name="static"), make_om(tmp_path, [1, 2], name="dynamic")


def sites(npu, models) -> list[tuple[str, int]]:
    recorded = npu.stand_in.record()
    scenario(npu, *models)
    npu.stand_in.machine.calls = None
    npu.stand_in.assert_empty()
    return list(recorded)


def test_every_call_site(npu, models, capsys):
    """The list of sites holds all that the engine calls; each fails with each plausible code."""
    called = sites(npu, models)
    assert npu.stand_in.machine.settings.strict
    assert {name for name, _ in called} == set(PLAUSIBLE) | (BARE - {"acl.util.numpy_to_ptr", "acl.util.ptr_to_numpy"})
    cases, kinds = Counter(), Counter()
    for name, nth in called:
        if name in SILENT:
            continue
        for code in PLAUSIBLE.get(name, (None,)):
            npu.restart()
            npu.stand_in.fail(name, nth, code if code else -1)
            abandoned = name == "acl.rt.synchronize_stream"  # called only to wait for what nobody wants any more
            abandoned |= name in ("acl.rt.destroy_event", "acl.rt.set_context") and nth in last_of(called, name)
            try:
                with pytest.raises(SessionError) as caught:
                    scenario(npu, *models)
            except pytest.fail.Exception:
                assert abandoned, f"nothing was raised for {name} number {nth}, code {code}"
            else:
                check(caught.value, name, code)
            assert not npu.stand_in.machine.faults, f"{name} number {nth} was never reached"
            npu.stand_in.assert_empty()
            if not npu.stand_in.machine.finalised:  # the next session, in this very process
                with open_session(models[0]) as session:
                    np.testing.assert_allclose(session.run(images(2)), tiny_features(2), atol=1e-4)
            cases[name] += 1
            kinds[code] += 1
    with capsys.disabled():
        print(f"\n{sum(cases.values())} cases: {len(called)} call sites of {len(cases)} functions, {len(kinds)} codes")
        for name, count in sorted(cases.items()):
            print(f"  {count:4} {name}")
    assert sum(cases.values()) >= 637  # what it was; a call less is looked at


def last_of(called: list[tuple[str, int]], name: str) -> set[int]:
    """The calls of a function between the scenario leaving its last stream and the release of buffers."""
    names = [call for call, _ in called]
    first = names.index("acl.rt.synchronize_stream")
    end = names.index("acl.rt.free_host", first)
    around = called[first - 1 : end - 1]  # set_context comes just before, and once more for close
    return {nth for call, nth in around if call == name}


def check(error: SessionError, name: str, code: int | None) -> None:
    """The exception names the call and its code; of a bare value, the call or what the value would have been."""
    assert "\n" not in str(error) and error.cure
    if code is not None or ".create_" in name or "_to_" in name:
        assert isinstance(error, AclError) and (error.call, error.code) == (name, code), f"{error} for {name}"
        assert name in str(error) and (code is None or str(code) in str(error))
    else:
        assert "not an OSNet of this study" in str(error)


@pytest.mark.parametrize("name, code", [("acl.mdl.execute_async", 507011), ("acl.rt.create_event", 207007)])
def test_a_stream_that_fails_leaves_a_session_that_works(npu, models, name, code):
    with open_session(models[1]) as session:
        for nth in range(1, 4):
            npu.stand_in.fail(name, nth, code)
            with pytest.raises(AclError, match=str(code)):
                list(session.stream([images(2), images(1), images(2)]))
            assert "event" not in npu.stand_in.ledger()
            assert [len(f) for f in session.stream([images(1), images(2)])] == [1, 2]


def test_all_releases_happen_though_several_fail(npu, models):
    session = open_session(models[1])
    for name in ("acl.rt.free_host", "acl.rt.free", "acl.mdl.unload", "acl.rt.destroy_context"):
        npu.stand_in.fail(name, 1, 507899)
    with pytest.raises(AclError, match="acl.rt.free_host failed: 507899"):
        session.close()
    assert not npu.stand_in.machine.faults
    npu.stand_in.assert_empty()


def test_the_first_error_is_the_one_that_is_told(npu, models):
    """A release that fails while an error is under way does not hide it."""
    npu.stand_in.fail("acl.mdl.get_desc", 1, 545008)
    npu.stand_in.fail("acl.mdl.unload", 1, 545009)
    with pytest.raises(AclError, match="acl.mdl.get_desc failed: 545008"):
        open_session(models[0])
    npu.stand_in.assert_empty()
