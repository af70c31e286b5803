"""Which code a change reaches: the modules that import it, and no others."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, settings, strategies as st

from osnet_lib import metrics
from osnet_lib.core import files
from osnet_lib.core.code_digest import PACKAGE, closure, code_digest, read_face, read_package, source_closure
from osnet_lib.errors import StudyError

LEAF = "def value():\n    return 1\n"
CALL = "def f():\n    return value()\n"
USE_F = "from toy.mid import f\nf()"


def write(root: Path, sources: dict[str, str]) -> Path:
    """A package ``toy``; keys are paths below it."""
    package = root / "toy"
    for name, source in sources.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(source)
    (package / "__init__.py").touch()
    read_package.cache_clear()
    read_face.cache_clear()
    return package


@pytest.fixture
def toy(tmp_path):
    return lambda sources: write(tmp_path, sources)


# Every way in which a notebook can come to run leaf.py; far.py is beside it and imported by nothing.
REACHED = {
    "from import": ({}, "from toy.leaf import value"),
    "star": ({}, "from toy.leaf import *"),
    "module": ({}, "from toy import leaf"),
    "dotted": ({}, "import toy.leaf"),
    "dotted, renamed": ({}, "import toy.leaf as m"),
    "in a function": ({}, "def g():\n    from toy.leaf import value"),
    "under if": ({}, "if x:\n    from toy.leaf import value as v"),
    "through a module": ({"mid.py": "from .leaf import value\n" + CALL}, USE_F),
    "absolute import": ({"mid.py": "from toy.leaf import value\n" + CALL}, USE_F),
    "module in the package": ({"mid.py": "from . import leaf\ndef f():\n    return leaf.value()"}, USE_F),
    "dotted in the package": ({"mid.py": "import toy.leaf\ndef f():\n    return toy.leaf.value()"}, USE_F),
    "lazily": ({"mid.py": "def f():\n    from .leaf import value\n    return value()"}, USE_F),
    "in a method": ({"mid.py": "class f:\n    def m(self):\n        from .leaf import value"}, USE_F),
    "either of two": (
        {
            "mid.py": "try:\n    from .slow import value\nexcept ImportError:\n    from .leaf import value",
            "slow.py": LEAF,
        },
        USE_F,
    ),
    "else of TYPE_CHECKING": (
        {
            "mid.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n"
            "    from .leaf import value\n"
        },
        USE_F,
    ),
    "for its effect": ({"mid.py": "from . import leaf"}, "import toy.mid"),
    "passed on": ({"mid.py": "from .leaf import value"}, "from toy.mid import value"),
    "passed on twice": ({"mid.py": "from .leaf import value", "end.py": "from .mid import value"}, "import toy.end"),
    "from a sub-package": (
        {"sub/__init__.py": "", "sub/deep.py": "from ..leaf import value\n" + CALL},
        "from toy.sub.deep import f",
    ),
    "run by the sub-package around": (
        {"sub/__init__.py": "from ..leaf import value", "sub/deep.py": ""},
        "from toy.sub.deep import f",
    ),
    "passed on by a sub-package": (
        {"sub/__init__.py": "from .deep import f", "sub/deep.py": "from ..leaf import value"},
        "from toy.sub import f",
    ),
}
# Where the imports do not tell, everything counts.
EVERYTHING = {
    "the package": ({}, "import toy\nt = toy"),
    "the package beside a module": ({}, "import toy\nfrom toy.other import x\nprint(toy)"),
    "a name of the package": ({"__init__.py": "from .leaf import value"}, "from toy import value"),
    "star of the package": ({}, "from toy import *"),
    "the root from within": ({"mid.py": "from . import value\n" + CALL}, USE_F),
    "IPython magic": ({}, "%time x = 1\nfrom toy.other import x"),
    "shell line": ({}, "!python -m toy"),
}


@pytest.mark.parametrize(
    "sources, notebook, alone",
    [
        *(pytest.param(*case, True, id=label) for label, case in REACHED.items()),
        *(pytest.param(*case, False, id=label) for label, case in EVERYTHING.items()),
    ],
)
def test_a_change_reaches_what_imports_the_module(toy, sources, notebook, alone):
    package = toy({"leaf.py": LEAF, "far.py": LEAF, "other.py": "x = 1", **sources})
    before = source_closure(notebook, package)
    toy({"leaf.py": LEAF.replace("1", "10")})
    assert source_closure(notebook, package) != before
    toy({"leaf.py": LEAF, "far.py": LEAF.replace("1", "10")})
    assert (source_closure(notebook, package) == before) == alone


@pytest.mark.parametrize(
    "leaf",
    [
        '"""About."""\n\n\ndef value():\n    """Give one."""\n    return 1  # always\n',
        "def value ( ) :\n        'Give one.'\n        return (1)",
        "# moved\n\ndef value():\n    return 1\n    'a bare string'\n",
    ],
)
def test_comments_docstrings_and_layout_change_nothing(toy, leaf):
    package = toy({"leaf.py": LEAF, "mid.py": "from .leaf import value\n" + CALL})
    before = source_closure(USE_F, package)
    toy({"leaf.py": leaf})
    assert source_closure(USE_F, package) == before


def test_docstrings_count_where_code_reads_them(toy):
    sources = {"mid.py": '"""One."""\ndef f():\n    return __doc__'}
    before = source_closure(USE_F, package := toy(sources))
    toy({"mid.py": sources["mid.py"].replace("One", "Two")})
    assert source_closure(USE_F, package) != before


def test_imports_for_type_checkers_run_nothing(toy):
    package = toy(
        {
            "leaf.py": LEAF,
            "mid.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
            "    from .leaf import value\ndef f():\n    return 0",
        }
    )
    assert set(source_closure(USE_F, package)) == {"mid"}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 5), max_size=3), min_size=6, max_size=6))
def test_the_closure_is_what_can_be_reached_and_circles_end(graph):
    expected, queue = set(), [0]
    while queue:
        if (i := queue.pop()) not in expected:
            expected.add(i)
            queue += graph[i]
    with tempfile.TemporaryDirectory() as folder:
        package = write(
            Path(folder), {f"m{i}.py": "\n".join(f"from . import m{j}" for j in edges) for i, edges in enumerate(graph)}
        )
        assert set(closure(["toy.m0"], package)) == {f"m{i}" for i in expected}


@pytest.mark.parametrize(
    "mention, counted",
    [
        ("'a.json'", {"a.json"}),
        ("'resources/a.json'", {"a.json"}),
        ("Path(__file__).with_name('b.npz')", {"b.npz", "b.json"}),
        ("root / 'resources'", set()),
        ("'nothing'", set()),
    ],
)
def test_resources_count_by_file_name(toy, mention, counted):
    package = toy(
        {
            "resources/a.json": "1",
            "resources/b.npz": "2",
            "resources/b.json": "3",
            "mid.py": f"from pathlib import Path\nP = {mention}\ndef f():\n    return P",
        }
    )
    before = source_closure(USE_F, package)
    assert before.keys() == {"mid", *counted}
    for file in counted:
        toy({f"resources/{file}": "changed"})
        assert source_closure(USE_F, package)[file] != before[file]


FACED = {
    "__init__.py": "FACE = {'value': 'leaf', 'other': 'far'}",
    "leaf.py": LEAF,
    "far.py": "def other():\n    return 2\n",
    "mid.py": CALL,
}


@pytest.mark.parametrize(
    "notebook, reached",
    [
        ("import toy", set()),
        ("import toy as t\nt.value()", {"leaf"}),
        ("import toy\nfrom pathlib import Path\ntoy.value(toy.other)", {"leaf", "far"}),
        ("import os, toy as t\ndef g():\n    return t.other()", {"far"}),
        ("from toy import value", {"leaf"}),
        ("from toy import value as v, mid", {"leaf", "mid"}),
        ("import toy as t\nt.mid.f()", {"mid"}),
        ("import toy as t\nprint(t)", {"leaf", "far", "mid"}),
        ("import toy as t\nt.value()\ngetattr(t, 'other')", {"leaf", "far", "mid"}),
        ("import toy as t\nt.new()", {"leaf", "far", "mid"}),
        ("from toy import *", {"leaf", "far", "mid"}),
        ("from toy import new", {"leaf", "far", "mid"}),
        ("%matplotlib inline\nimport toy", {"leaf", "far", "mid"}),
    ],
)
def test_the_face_reaches_what_is_used_of_it(toy, notebook, reached):
    assert set(source_closure(notebook, toy(FACED))) == reached


def test_files_that_come_and_go_do_not_count(toy):
    package = toy({"leaf.py": LEAF})
    before = source_closure("import toy\nprint(toy)", package)
    toy({"__pycache__/leaf.cpython-312.pyc": "x", "resources/.a.12.tmp.json": "x"})
    assert source_closure("import toy\nprint(toy)", package) == before


def test_a_new_module_counts_for_nobody_yet(toy):
    package = toy({"leaf.py": LEAF})
    before = source_closure("from toy.leaf import value", package)
    toy({"new.py": LEAF})
    assert source_closure("from toy.leaf import value", package) == before != {}


def test_a_module_that_cannot_be_parsed_is_named(toy):
    package = toy({"leaf.py": "def value(:\n"})
    with pytest.raises(StudyError, match=r"leaf\.py: is no Python source .*Correct it"):
        source_closure("from toy.leaf import value", package)


def test_code_digest_is_that_of_modules():
    assert code_digest(files.sha256) == code_digest(files.fingerprint) != code_digest(metrics.Evaluation)
    assert code_digest(metrics.Evaluation.rank) == code_digest(metrics.Evaluation)


@pytest.mark.parametrize("thing", [len, lambda: 0, partial(files.sha256, "x"), pytest.fixture, 3])
def test_code_digest_refuses_what_it_does_not_know(thing):
    with pytest.raises(StudyError, match="not a module of osnet_lib. Give functions"):
        code_digest(thing)


# The package itself


def test_no_module_reaches_everything():
    """It would make the study redo all of it at any change."""
    assert [name for name, module in read_package(PACKAGE).items() if PACKAGE.name in module.imports] == []


def test_every_resource_is_named():
    found = closure([PACKAGE.name])
    assert {path.name for path in (PACKAGE / "resources").iterdir()} <= found.keys()


def notebook_closure(name: str) -> dict[str, str]:
    notebook = nbformat.read(PACKAGE.parent / "notebooks" / f"{name}.ipynb", as_version=4)
    return source_closure("\n".join(c.source for c in notebook.cells if c.cell_type == "code"))


@pytest.mark.parametrize(
    "notebook, uses, spares",
    [
        (
            "01_export",
            {"conversion.export", "network.blocks", "conversion.parity"},
            {"metrics.uncertainty", "network.training", "cli.main", "study.run"},
        ),
        (
            "05_accuracy",
            {
                "metrics.evaluation",
                "metrics.ranking",
                "metrics.reranking",
                "diagnosis.recompute",
                "datasets.preprocess",
                "datasets.pedestrian",
                "inference.onnxruntime",
                "published.json",
            },
            {"network.training", "cli.main", "study.run", "study.performance"},
        ),
        (
            "08_performance",
            {"inference.benchmark", "inference.session"},
            {"study.accuracy", "metrics.evaluation", "network.training", "study.book", "study.stages"},
        ),
        ("10_summary", {"published.quoted", "published.json"}, {"inference.session", "network.osnet", "study.run"}),
    ],
)
def test_what_the_chapters_depend_on(notebook, uses, spares):
    found = notebook_closure(notebook).keys()
    assert uses <= found and not spares & found
