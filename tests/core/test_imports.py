"""Packages that were built for another numpy are told as that; all else is left as it is."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from osnet_lib.core.imports import ForeignNumpyError, import_compiled

SCREEN = "A module that was compiled using NumPy 1.x cannot be run in NumPy 2.4.6 as it may crash.\n" * 9


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A function that writes a package of this source, to be imported once."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(source: str) -> str:
        (tmp_path / "made_up_package.py").write_text(source)
        monkeypatch.delitem(sys.modules, "made_up_package", raising=False)
        return "made_up_package"

    yield write
    sys.modules.pop("made_up_package", None)


@pytest.mark.parametrize(
    "source",
    [
        "raise ImportError('numpy.core.multiarray failed to import')",
        "raise ImportError('import numpy failed')",
        "raise AttributeError('_ARRAY_API not found')",
        "raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')",
        f"import sys\nsys.stderr.write({SCREEN!r})\nraise ImportError('DLL load failed')",
    ],
)
@pytest.mark.parametrize(
    "version, number, constraints",
    [("2.4.6", 1, "constraints-numpy1.txt"), ("2.10.0", 1, "constraints-numpy1.txt"), ("1.26.4", 2, "constraints.txt")],
)
def test_another_numpy(package, monkeypatch, capsys, source, version, number, constraints):
    monkeypatch.setattr(np, "__version__", version)
    with pytest.raises(
        ForeignNumpyError, match=rf"^made_up_package was built for another numpy than the {version}"
    ) as e:
        import_compiled(package(source))
    assert f"Take numpy {number}: " in e.value.cure and e.value.cure.endswith(f"-c {constraints}")
    assert (Path(__file__).parents[2] / constraints).is_file() and not capsys.readouterr().err


@pytest.mark.parametrize(
    "error", ["ImportError('libascendcl.so: cannot open')", "SyntaxError('x')", "RuntimeError('x')"]
)
def test_other_failures_stay_what_they_are(package, capsys, error):
    with pytest.raises(eval(error.partition("(")[0])) as caught:
        import_compiled(package(f"import sys\nsys.stderr.write('heard')\nraise {error}"))
    assert not isinstance(caught.value, ForeignNumpyError) and capsys.readouterr().err == "heard"


def test_no_room_for_a_library_is_no_missing_package(package):
    name = package("raise ImportError('/a/b.so: failed to map segment from shared object')")
    with pytest.raises(MemoryError, match="^failed to map segment"):
        import_compiled(name)


def test_what_is_printed_by_an_import_that_succeeds_is_shown(package, capsys):
    assert import_compiled(package("import sys\nsys.stderr.write('a warning')\nanswer = 42")).answer == 42
    assert capsys.readouterr().err == "a warning"
