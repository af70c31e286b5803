"""Which code a change reaches: never too little, and no more than can be helped."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osnet_lib import files, metrics
from osnet_lib.errors import StudyError
from osnet_lib.lineage import PACKAGE, closure, code_digest, definitions, source_closure

LEAF = "def value():\n    return 1\n\n\ndef other():\n    return 2\n"
CALL = "def f():\n    return value()\n"
USE_F = "from toy.mid import f\nf()"


def write(root: Path, sources: dict[str, str]) -> Path:
    """A package ``toy``; keys are paths below it."""
    package = root / "toy"
    for name, source in sources.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(source)
    (package / "__init__.py").touch()
    definitions.cache_clear()
    return package


@pytest.fixture
def toy(tmp_path):
    return lambda sources: write(tmp_path, sources)


# Every way in which code can come to depend on leaf.value that we could think of: label, sources, notebook. Nothing in
# them mentions leaf.other by name, so it must not count, except where the reference cannot be followed.
EXACT = [
    ("from import", {}, "from toy.leaf import value\nvalue()"),
    ("from import, renamed", {}, "from toy.leaf import value as v\nv()"),
    ("module", {}, "from toy import leaf\nleaf.value()"),
    ("module, renamed", {}, "from toy import leaf as m\nm.value()"),
    ("import dotted", {}, "import toy.leaf\ntoy.leaf.value()"),
    ("import dotted, renamed", {}, "import toy.leaf as m\nm.value()"),
    ("import package, renamed", {}, "import toy.leaf\nimport toy as t\nt.leaf.value()"),
    ("import in a function", {}, "def g():\n    from toy.leaf import value\n    return value()"),
    ("import under if", {}, "if True:\n    from toy.leaf import value as v\nelse:\n    v = None\nv()"),
    ("through a function", {"mid.py": "from .leaf import value\n" + CALL}, USE_F),
    ("absolute import", {"mid.py": "from toy.leaf import value\n" + CALL}, USE_F),
    ("two names at once", {"mid.py": "from .leaf import other, value\n" + CALL}, USE_F),
    ("module in the package", {"mid.py": "from . import leaf\ndef f():\n    return leaf.value()"}, USE_F),
    ("renamed in the package", {"mid.py": "from . import leaf as m\ndef f():\n    return m.value()"}, USE_F),
    ("dotted in the package", {"mid.py": "import toy.leaf\ndef f():\n    return toy.leaf.value()"}, USE_F),
    ("lazy import", {"mid.py": "def f():\n    from .leaf import value\n    return value()"}, USE_F),
    ("lazy module", {"mid.py": "def f():\n    from . import leaf\n    return leaf.value()"}, USE_F),
    ("lazy import in a method",
     {"mid.py": "class f:\n    def m(self):\n        from .leaf import value\n        return value()"}, USE_F),
    ("import in a class", {"mid.py": "class f:\n    from .leaf import value"}, "from toy.mid import f\nf.value()"),
    ("passed on", {"mid.py": "from .leaf import value"}, "from toy.mid import value\nvalue()"),
    ("passed on twice", {"mid.py": "from .leaf import value", "end.py": "from .mid import value as v"},
     "import toy.end\ntoy.end.v()"),
    ("passed on by the package", {"__init__.py": "from .leaf import value"}, "from toy import value\nvalue()"),
    ("as attribute of the package", {"__init__.py": "from .leaf import value"}, "import toy\ntoy.value()"),
    ("decorator", {"mid.py": "from .leaf import value\n@value\ndef f():\n    pass"}, USE_F),
    ("decorator of a method",
     {"mid.py": "from .leaf import value\nclass f:\n    @value\n    def m(self):\n        pass"}, USE_F),
    ("default argument", {"mid.py": "from .leaf import value\ndef f(x=value()):\n    pass"}, USE_F),
    ("keyword default", {"mid.py": "from .leaf import value\ndef f(*, x=value):\n    pass"}, USE_F),
    ("annotation", {"mid.py": "from .leaf import value\ndef f(x: value) -> None:\n    pass"}, USE_F),
    ("base class", {"mid.py": "from .leaf import value\nclass f(value):\n    pass"}, USE_F),
    ("class keyword", {"mid.py": "from .leaf import value\nclass f(metaclass=value):\n    pass"}, USE_F),
    ("method", {"mid.py": "from .leaf import value\nclass f:\n    def m(self):\n        return value()"}, USE_F),
    ("class attribute", {"mid.py": "from .leaf import value\nclass f:\n    x: int = value()"}, USE_F),
    ("nested function",
     {"mid.py": "from .leaf import value\ndef f():\n    def g(x=[value() for _ in 'ab']):\n        return x\n"
                "    return g"}, USE_F),
    ("async", {"mid.py": "from .leaf import value\nasync def f():\n    return value()"}, USE_F),
    ("f-string", {"mid.py": "from .leaf import value\ndef f():\n    return f'{value():>{value()}}'"}, USE_F),
    ("behind an index", {"mid.py": "from . import leaf\nT = [{}]\ndef f():\n    return T[leaf.value()].get"}, USE_F),
    ("lambda", {"mid.py": "from .leaf import value\nf = lambda: value()"}, USE_F),
    ("constant", {"mid.py": "from .leaf import value\nT = {'a': value}\ndef f():\n    return T['a']()"}, USE_F),
    ("annotated constant", {"mid.py": "from .leaf import value\nT: int = value()\ndef f():\n    return T"}, USE_F),
    ("two targets", {"mid.py": "from .leaf import value\nA = B = value()\ndef f():\n    return B"}, USE_F),
    ("unpacked targets", {"mid.py": "from .leaf import value\na, (b, *c) = value()\ndef f():\n    return c"}, USE_F),
    ("augmented", {"mid.py": "from .leaf import value\nX = 0\nX += value()\ndef f():\n    return X"}, USE_F),
    ("defined twice", {"mid.py": "from .leaf import value\ndef f():\n    return value()\ndef f():\n    return 0"},
     USE_F),
    ("under if", {"mid.py": "from .leaf import value\nif True:\n    def g():\n        return value()\ndef f():\n"
                            "    return g()"}, USE_F),
    ("under if, from outside", {"mid.py": "from .leaf import value\nif True:\n    def f():\n        return value()"},
     USE_F),
    ("under try", {"mid.py": "try:\n    from .leaf import value as v\nexcept ImportError:\n    v = None\ndef f():\n"
                             "    return v()"}, USE_F),
    ("either of two",
     {"mid.py": "try:\n    from .slow import value\nexcept ImportError:\n    from .leaf import value\n" + CALL,
                       "slow.py": LEAF}, USE_F),
    ("else of TYPE_CHECKING",
     {"mid.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n"
                "    from .leaf import value\n" + CALL}, USE_F),
    ("for", {"mid.py": "from .leaf import value\nfor X in value():\n    pass\ndef f():\n    return X"}, USE_F),
    ("with", {"mid.py": "from .leaf import value\nwith value() as X:\n    pass\ndef f():\n    return X"}, USE_F),
    ("walrus", {"mid.py": "from .leaf import value\nif (X := value()):\n    pass\ndef f():\n    return X"}, USE_F),
    ("run on import", {"mid.py": "from .leaf import value\nvalue()\ndef f():\n    return 0"}, USE_F),
    ("run on import, elsewhere", {"mid.py": "from . import side\ndef f():\n    return 0",
                                  "side.py": "from .leaf import value\nvalue()"}, USE_F),
    ("run on import of the package", {"mid.py": "def f():\n    return 0",
                                      "__init__.py": "from .leaf import value\nvalue()"}, USE_F),
    ("import for its effect", {"mid.py": "from .leaf import value\nvalue()"}, "import toy.mid"),
    ("item assigned", {"mid.py": "from .leaf import value\nT = {}\nT['k'] = value\ndef f():\n    return T['k']()"},
     USE_F),
    ("attribute assigned", {"mid.py": "from .leaf import value\nclass f:\n    pass\nf.m = value"}, USE_F),
    ("changed by a method", {"mid.py": "from .leaf import value\nT = []\nT.append(value)\ndef f():\n    return T[0]()"},
     USE_F),
    ("attribute of a result", {"mid.py": "from . import leaf\ndef f():\n    return leaf.value().real[0].x"},
     "from toy import mid\nmid.f()"),
    ("sub-package", {"sub/__init__.py": "", "sub/deep.py": "from ..leaf import value\n" + CALL},
     "from toy.sub.deep import f\nf()"),
    ("sub-package, module", {"sub/__init__.py": "", "sub/deep.py": "from ..leaf import value\n" + CALL},
     "from toy.sub import deep\ndeep.f()"),
    ("sub-package, dotted",
     {"sub/__init__.py": "", "sub/deep.py": "from .. import leaf\ndef f():\n    return leaf.value()"},
     "import toy\ntoy.sub.deep.f()"),
    ("sub-package, passed on", {"sub/__init__.py": "from .deep import f",
                                "sub/deep.py": "from ..leaf import value\n" + CALL}, "from toy.sub import f\nf()"),
    ("name of a module and a function", {"__init__.py": "from .f import f", "f.py": "from .leaf import value\n" + CALL},
     "from toy import f\nf()"),
]
COARSE = [
    ("star in the package", {"mid.py": "from .leaf import *\n" + CALL}, USE_F),
    ("star in the notebook", {}, "from toy.leaf import *\nvalue()"),
    ("star of the package", {"__init__.py": "from .leaf import value"}, "from toy import *\nvalue()"),
    ("module handed over", {}, "from toy import leaf\nprint(leaf)"),
    ("package handed over", {}, "import toy.leaf\nprint(toy)"),
    ("module renamed by assignment", {}, "from toy import leaf\nm = leaf\nm.value()"),
    ("module in a list", {"mid.py": "from . import leaf\nM = [leaf]\ndef f():\n    return M[0].value()"}, USE_F),
    ("module of a module", {"mid.py": "from . import leaf"}, "from toy import mid\nmid.leaf.value()"),
    ("module or nothing, passed on", {"mid.py": "try:\n    from . import leaf as m\nexcept ImportError:\n    m = None"},
     "from toy.mid import m\nm.value()"),
    ("getattr", {"mid.py": "from . import leaf\ndef f(n):\n    return getattr(leaf, n)()"}, USE_F),
    ("globals", {"mid.py": "from .leaf import value\ndef f():\n    return globals()['va' 'lue']()"}, USE_F),
    ("eval", {"mid.py": "from .leaf import value\ndef f():\n    return eval('value()')"}, USE_F),
    ("eval in the notebook", {}, "from toy.leaf import value\neval('val' + 'ue()')"),
    ("named by a string", {}, "import importlib\nimportlib.import_module('toy.leaf').value()"),
    ("module named by parts",
     {"mid.py": "import importlib\ndef f(n):\n    return importlib.import_module(f'toy.{n}').value()"}, USE_F),
    ("relative by a string",
     {"mid.py": "import importlib\ndef f():\n    return importlib.import_module('.leaf', __package__).value()"}, USE_F),
    ("__import__", {"mid.py": "def f():\n    return __import__('to' 'y').leaf.value()"}, USE_F),
    ("sys.modules", {"mid.py": "import sys\ndef f(n):\n    return sys.modules[n].value()"}, USE_F),
    ("command line", {}, "import subprocess\nsubprocess.run(['python', '-m', 'toy', 'value'])"),
    ("module __getattr__", {"mid.py": "def __getattr__(name):\n    from .leaf import value\n    return value"},
     "from toy.mid import any\nany()"),
    ("global", {"mid.py": "from .leaf import value\nX = None\ndef setup():\n    global X\n    X = value\ndef f():\n"
                          "    return X()"}, USE_F),
    ("register, imported",
     {"reg.py": "R = {}\ndef register(g):\n    R['a'] = g\n    return g\ndef f():\n    return R['a']()",
                            "mid.py": "from .leaf import value\nfrom .reg import register\n@register\ndef a():\n"
                                      "    return value()"},
     "import toy.mid\nfrom toy.reg import f\nf()"),
    ("register, imported by others",
     {"reg.py": "R = []\ndef register(g):\n    R.append(g)\n    return g\ndef f():\n    return R[0]()",
                                      "mid.py": "from .leaf import value\nfrom .reg import register\n"
                                                "X = register(value)"}, "from toy.reg import f\nf()"),
    ("replaced from outside", {"reg.py": "R = None\ndef f():\n    return R()",
                               "mid.py": "from . import leaf, reg\nreg.R = leaf.value"},
     "from toy.reg import f\nf()"),
    ("item set from outside", {"reg.py": "R = {}\ndef f():\n    return R['a']()",
                               "mid.py": "from .reg import R\nfrom .leaf import value\nR['a'] = value"},
     "from toy.reg import f\nf()"),
    ("singledispatch", {"reg.py": "from functools import singledispatch\n@singledispatch\ndef f(x):\n    pass",
                        "mid.py": "from .reg import f\nfrom .leaf import value\n@f.register\ndef _(x: int):\n"
                                  "    return value()"}, "from toy.reg import f\nf(1)"),
    ("__init_subclass__",
     {"reg.py": "class Base:\n    known = []\n    def __init_subclass__(cls):\n        Base.known.append(cls)\n"
                "def f():\n    return Base.known[0]()",
                           "mid.py": "from .reg import Base\nfrom .leaf import value\nclass A(Base):\n"
                                     "    def m(self):\n        return value()"},
     "from toy.reg import f\nf()"),
    ("__subclasses__", {"reg.py": "class Base:\n    pass\ndef f():\n    return Base.__subclasses__()[0]()",
                        "mid.py": "from .reg import Base\nfrom .leaf import value\nclass A(Base):\n    x = value()"},
     "from toy.reg import f\nf()"),
    ("IPython magic", {}, "%time x = 1\nfrom toy.leaf import value\nvalue()"),
    ("shell line", {}, "!python -m toy"),
]


@pytest.mark.parametrize("sources, notebook, exact", [
    *(pytest.param(*case, True, id=label) for label, *case in EXACT),
    *(pytest.param(*case, False, id=label) for label, *case in COARSE)])
def test_a_change_reaches_what_depends_on_it(toy, sources, notebook, exact):
    package = toy({"leaf.py": LEAF, **sources})
    before = source_closure(notebook, package)
    toy({"leaf.py": LEAF.replace("return 1", "return 10")})
    assert source_closure(notebook, package) != before
    toy({"leaf.py": LEAF.replace("return 2", "return 20")})
    if exact:
        assert source_closure(notebook, package) == before


@pytest.mark.parametrize("leaf", [
    '"""About."""\n\n\ndef value():\n    """Give one."""\n    return 1  # always\n\n\ndef other():\n    return 2\n',
    "def value ( ) :\n        'Give one.'\n        return (1)\ndef other(): return 2",
    "def other():\n    return 2\n\n# moved\ndef value():\n    return 1\n    'a bare string'\n",
])
def test_comments_docstrings_layout_and_order_change_nothing(toy, leaf):
    package = toy({"leaf.py": LEAF, "mid.py": "from .leaf import value\n" + CALL})
    before = source_closure(USE_F, package)
    toy({"leaf.py": leaf})
    assert source_closure(USE_F, package) == before


def test_docstrings_count_where_code_reads_them(toy):
    sources = {"mid.py": '"""One."""\ndef f():\n    return __doc__'}
    before = source_closure(USE_F, package := toy(sources))
    toy({"mid.py": sources["mid.py"].replace("One", "Two")})
    assert source_closure(USE_F, package) != before


@pytest.mark.parametrize("before, after", [
    ("from math import sqrt as g", "from math import cbrt as g"), ("import json as g", "import pickle as g"),
    ("from .leaf import value as g", "from .leaf import other as g"),
    ("from . import leaf as g", "from . import mid as g")])
def test_what_an_import_stands_for_counts(toy, before, after):
    body = "\ndef f():\n    return g\ndef unused():\n    return 0"
    package = toy({"leaf.py": LEAF, "mid.py": before + body})
    used, unused = (source_closure(f"from toy.mid import {name}\n{name}()", package) for name in ("f", "unused"))
    toy({"mid.py": after + body})
    assert source_closure(USE_F, package) != used
    assert source_closure("from toy.mid import unused\nunused()", package) == unused


def test_imports_for_type_checkers_run_nothing(toy):
    package = toy({"leaf.py": LEAF + "value()",
                   "mid.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .leaf import value\n"
                             "def f():\n    return 0"})
    assert not [name for name in source_closure(USE_F, package) if name.startswith("leaf.")]


def test_cycles_end(toy):
    package = toy({"a.py": "from . import b\ndef f():\n    return b.g()\ndef lone():\n    return 1",
                   "b.py": "from .a import f\ndef g():\n    return f()\nclass C:\n    def m(self):\n"
                           "        return C().m()"})
    assert set(source_closure("from toy.a import f\nf()", package)) == {"a.f", "b.g", "b.f"}
    assert set(closure([("toy.b", "C")], package)) == {"b.C"}


# Modules 0 to 2; function i lives in module i % 3 and refers to others in one of these styles.
STYLES = {
    "name": ("from .m{m} import f{j}", "f{j}()"), "renamed": ("from .m{m} import f{j} as g{j}", "g{j}()"),
    "module": ("from . import m{m}", "m{m}.f{j}()"), "dotted": ("import toy.m{m}", "toy.m{m}.f{j}()"),
    "lazy": ("", "__lazy__ from .m{m} import f{j} as h{j}\n    h{j}()"),
    "lazy module": ("", "__lazy__ from . import m{m} as n{m}\n    n{m}.f{j}()"),
}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 7), st.sampled_from(sorted(STYLES))), max_size=3), min_size=8,
                max_size=8))
def test_the_closure_is_what_can_be_reached(graph):
    heads, bodies = {0: [], 1: [], 2: []}, {0: [], 1: [], 2: []}
    for i, edges in enumerate(graph):
        lines = []
        for j, style in edges:
            head, use = (part.format(m=j % 3, j=j) for part in STYLES[style])
            if j % 3 == i % 3:
                head, use = "", f"f{j}()"
            heads[i % 3].append(head)
            lines.append("    " + use.replace("__lazy__ ", ""))
        bodies[i % 3].append("\n".join([f"def f{i}():", *lines, f"    return {i}"]))
    expected, queue = set(), [0]
    while queue:
        if (i := queue.pop()) not in expected:
            expected.add(i)
            queue += [j for j, _ in graph[i]]
    with tempfile.TemporaryDirectory() as folder:
        package = write(Path(folder), {f"m{m}.py": "\n".join([*heads[m], *bodies[m]]) for m in heads})
        found = {int(name[4:]) for name in closure([("toy.m0", "f0")], package) if name[3:4] == "f" and name[:1] == "m"
                 and name[:2] == f"m{int(name[4:]) % 3}"}
    assert found == expected


@pytest.mark.parametrize("mention, counted", [
    ("'a.json'", {"a"}), ("'data/a.json'", {"a"}), ("Path(__file__).with_name('data') / 'a.json'", {"a"}),
    ("Path(__file__).with_name('b.npz')", {"b", "b's card"}),
    ("Path(__file__).parent / 'data' / name", {"a", "b", "b's card"}),
    ("root / 'data'", set()), ("'nothing'", set())])
def test_data_count_by_file_name(toy, mention, counted):
    package = toy({"data/a.json": "1", "data/b.npz": "2", "data/b.json": "3",
                   "mid.py": f"from pathlib import Path\nP = {mention}\ndef f():\n    return P"})
    before = source_closure(USE_F, package)
    reached = set()
    for name, file, old in (("a", "a.json", "1"), ("b", "b.npz", "2"), ("b's card", "b.json", "3")):
        toy({f"data/{file}": "changed"})
        reached |= {name} if source_closure(USE_F, package) != before else set()
        toy({f"data/{file}": old})
    assert reached == counted


def test_data_outside_the_data_folder_count_too(toy):
    package = toy({"data.txt": "1", "shapes/a.csv": "1",
                   "mid.py": "P = 'shapes/a.csv'\ndef f():\n    return P, 'data.txt'"})
    assert {"data.data.txt", "data.shapes/a.csv"} <= set(source_closure(USE_F, package))


def test_files_that_come_and_go_do_not_count(toy):
    package = toy({"leaf.py": LEAF})
    before = source_closure("import toy\nprint(toy)", package)
    toy({"__pycache__/leaf.cpython-312.pyc": "x", "data/.a.12.tmp.json": "x"})
    assert source_closure("import toy\nprint(toy)", package) == before


def test_a_new_function_counts_for_nobody_yet(toy):
    package = toy({"leaf.py": LEAF})
    before = source_closure("from toy.leaf import value\nvalue()", package)
    toy({"leaf.py": LEAF + "\ndef third():\n    return 3\n", "new.py": LEAF})
    assert source_closure("from toy.leaf import value\nvalue()", package) == before != {}


def test_a_module_that_cannot_be_parsed_is_named(toy):
    package = toy({"leaf.py": "def value(:\n"})
    with pytest.raises(StudyError, match=r"leaf\.py: is no Python source .*Correct it"):
        source_closure("from toy.leaf import value", package)


def test_code_digest_depends_on_its_functions_only():
    assert len({code_digest(files.sha256), code_digest(files.fingerprint),
                code_digest(files.sha256, files.fingerprint)}) == 3
    assert code_digest(metrics.Evaluation.rank) == code_digest(metrics.Evaluation)  # a method counts as its class


@pytest.mark.parametrize("thing", [len, lambda: 0, partial(files.sha256, "x"), pytest.fixture, test_cycles_end])
def test_code_digest_refuses_what_it_cannot_follow(thing):
    with pytest.raises(StudyError, match="not a definition of osnet_lib. Give functions"):
        code_digest(thing)


# The package itself

def test_every_reference_of_this_package_can_be_followed():
    """What makes everything depend on everything would make the study useless; write such code another way."""
    table = definitions(PACKAGE)
    assert [key for key, found in table.items() if key[1] != "*" and ("osnet_lib", "*") in found.mentions] == []


def test_every_data_file_is_mentioned():
    table = definitions(PACKAGE)
    mentioned = {key for found in table.values() for key in found.mentions if key[0] == "data"}
    assert {key for key in table if key[0] == "data"} == mentioned != set()


def notebook_closure(name: str) -> dict[str, str]:
    notebook = nbformat.read(PACKAGE.parent / "notebooks" / f"{name}.ipynb", as_version=4)
    return source_closure("\n".join(c.source for c in notebook.cells if c.cell_type == "code"))


@pytest.mark.parametrize("notebook, uses, spares", [
    ("01_export", {"export.export_onnx", "blocks.OSBlock", "parity.check_parity"},
     {"metrics.evaluation.evaluate", "benchmark.run_benchmark"}),
    ("05_accuracy", {"metrics.evaluation.evaluate", "metrics.distance.METRICS", "metrics.ranking.ranked_list",
                     "metrics.reranking.rerank", "mistakes.diagnose", "preprocess.preprocess", "figure.draw_person",
                     "engine.OnnxRuntimeEngine", "data.published.json"},
     {"benchmark.run_benchmark", "training.train_model"}),
    ("06_performance", {"benchmark.Benchmark", "session.Session"},
     {"metrics.evaluation.evaluate", "market1501.open_market1501"}),
    ("07_summary", {"published.published_throughput", "data.published.json"}, {"session.Session", "model.OSNet"}),
])
def test_what_the_chapters_depend_on(notebook, uses, spares):
    found = notebook_closure(notebook).keys()
    assert uses <= found and not spares & found
    assert not {name for name in found if name.startswith(("cli.", "study.", "training."))}
