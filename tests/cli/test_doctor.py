"""``osnet doctor`` in the shell: one screen, and an exit code."""

from __future__ import annotations

import pytest

from osnet_lib.ascend.checkup import BAD, GOOD, Check
from osnet_lib.cli import main as cli
from osnet_lib.inference.doctor import NEEDS

LINES = dict.fromkeys(name for needed in NEEDS.values() for name in needed)


@pytest.mark.parametrize(
    "bad, backend, code",
    [
        ([], "ascend", 0),
        (["driver", "acl"], "ascend", 2),
        (["driver", "acl"], "onnxruntime", 0),
        (["driver", "acl"], "auto", 0),
        (["driver", "torch", "onnxruntime", "openvino"], "auto", 2),
        (["CANN provider"], "cann", 2),
    ],
)
def test_a_screen_and_an_exit_code(monkeypatch, capsys, bad, backend, code):
    checks = [Check(name, BAD if name in bad else GOOD, "found", "Cure it." if name in bad else "") for name in LINES]
    monkeypatch.setattr("osnet_lib.inference.doctor.examine", lambda workspace: checks)
    assert cli.main(["doctor", "--backend", backend]) == code
    shown = capsys.readouterr()
    assert all(str(check) in shown.out for check in checks)
    assert shown.err == (f"osnet: {backend}: cannot work here: " in shown.err) * shown.err
    assert bool(shown.err) == bool(code) and len(shown.err.splitlines()) <= 1


def test_the_choices_are_the_backends():
    with pytest.raises(SystemExit) as refused:
        cli.main(["doctor", "--backend", "tpu"])
    assert refused.value.code == 2
    parser = next(action for action in cli._parser()._actions if action.choices)
    option = next(action for action in parser.choices["doctor"]._actions if action.dest == "backend")
    assert set(option.choices) == {"auto", *NEEDS}
