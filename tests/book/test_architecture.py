"""What the book's architecture page draws and what its API reference lists, without building the book."""

from __future__ import annotations

import importlib
import io
import re
import sys
from itertools import combinations
from xml.etree import ElementTree

import pytest

from helpers.paths import ROOT
from osnet_lib.core.code_digest import PACKAGE, read_package

pytest.importorskip("sphinx")
SVG = "{http://www.w3.org/2000/svg}"
DOWN = {
    "top/__init__.py": '"""The top."""\n',
    "top/a.py": "from ..low import b\nfrom .. import leaf\n",
    "low/__init__.py": '"""The bottom,\nin two lines.\n\nAnd more.\n"""\n',
    "low/b.py": "from ..leaf import X\n",
    "leaf.py": '"""A module."""\nX = 1\n',
}
CONTRACT = (
    '[[tool.importlinter.contracts]]\nname = "toy"\ntype = "layers"\nlayers = ["top", "low", "(absent)", "leaf"]\n'
)


@pytest.fixture(scope="module")
def extensions():
    """The book's own extensions, importable as Sphinx imports them."""
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    try:
        yield {name: importlib.import_module(name) for name in ("layered", "architecture", "package_reference")}
    finally:
        sys.path.remove(str(ROOT / "book" / "_ext"))


@pytest.fixture(scope="module")
def architecture(extensions):
    return extensions["architecture"].read_architecture(ROOT / "pyproject.toml")


@pytest.fixture(scope="module")
def picture(extensions, architecture):
    text = {name: f"about {name}" for name in architecture.row}
    return extensions["layered"].draw(
        architecture.rows, architecture.arrows, architecture.summary, notes=text, hints=text, links=text
    )


@pytest.fixture(scope="module")
def places(extensions, architecture):
    layered = extensions["layered"]
    return layered.place(architecture.rows, layered.trace(architecture.rows, architecture.arrows))


@pytest.fixture
def toy(extensions, tmp_path):
    """A package and its contract; its architecture."""

    def read(sources, contract=CONTRACT):
        for name, source in {"__init__.py": "", **sources}.items():
            path = tmp_path / "toy" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        (tmp_path / "pyproject.toml").write_text(contract)
        read_package.cache_clear()
        return extensions["architecture"].read_architecture(tmp_path / "pyproject.toml", tmp_path / "toy")

    yield read
    read_package.cache_clear()


def test_every_package_has_its_row(architecture):
    found = {
        path.name if path.is_dir() else path.stem
        for path in PACKAGE.iterdir()
        if (path / "__init__.py").is_file() or path.suffix == ".py"
    } - {"__init__", "__main__"}
    assert set(architecture.row) == found
    assert 18 <= len(found) <= 22
    assert all(architecture.purposes[name].endswith(".") for name in found)


def test_imports_point_downwards(architecture):
    assert architecture.forbidden == []
    assert architecture.summary == (
        f"{len(architecture.row)} packages in {len(architecture.rows)} rows, "
        f"{sum(map(len, architecture.imports.values()))} imports, all of them downwards"
    )


def test_arrows_lead_to_all_that_is_imported(architecture):
    reach = {}
    for name in sorted(architecture.row, key=architecture.row.get, reverse=True):
        direct = {target for source, target in architecture.arrows if source == name}
        reach[name] = direct.union(*(reach[target] for target in direct))
        assert architecture.imports[name] <= reach[name], name
    assert len(architecture.arrows) < sum(map(len, architecture.imports.values())) / 2


def test_the_picture_says_in_words_what_it_shows(picture, architecture):
    svg = ElementTree.fromstring(picture)
    assert svg.find(f"{SVG}title").text == svg.get("aria-label") == architecture.summary
    assert re.findall(r"\d+", architecture.summary)[:2] == [
        str(len(svg.findall(f".//{SVG}rect"))),
        str(len(svg.findall(f"{SVG}text"))),
    ]
    assert {text.text for text in svg.findall(f".//{SVG}text[@class='name']")} == set(architecture.row)


def test_no_arrow_of_the_picture_points_upwards(picture, architecture):
    lines = ElementTree.fromstring(picture).findall(f".//{SVG}path[@class='line']")
    assert len(lines) == len(architecture.arrows)
    for line in lines:
        numbers = list(map(float, re.findall(r"-?[\d.]+", re.sub(r"V([\d.]+)", r" 0 \1 ", line.get("d")))))
        assert numbers[1::2] == sorted(numbers[1::2])


def test_nothing_lies_on_anything_else(extensions, places):
    layered = extensions["layered"]
    for one, other in combinations(places, 2):
        if one[2] == other[2]:
            boxes = (one[0] == one[1]) + (other[0] == other[1])
            assert abs(places[one] - places[other]) >= (4, layered.BOX / 2 + 4, layered.BOX + 8)[boxes], (one, other)
    assert all(0 < x < layered.WIDTH for x in places.values())


def test_the_picture_is_always_the_same(extensions, architecture, places):
    layered = extensions["layered"]
    assert layered.place(architecture.rows, layered.trace(architecture.rows, architecture.arrows)) == places


def test_rows_without_arrows_can_be_drawn(extensions):
    text = {"a": "", "b<c": "<&>"}
    svg = extensions["layered"].draw([["a"], ["b<c"]], [], "two", notes=text, hints=text, links=text)
    assert len(ElementTree.fromstring(svg).findall(f".//{SVG}rect")) == 2


def test_a_toy_contract(toy):
    found = toy(DOWN)
    assert found.rows == (("top",), ("low",), ("leaf",))
    assert found.modules == {"top": 2, "low": 2, "leaf": 1}
    assert found.imports == {"top": {"low", "leaf"}, "low": {"leaf"}, "leaf": frozenset()}
    assert found.arrows == [("top", "low"), ("low", "leaf")]
    assert found.purposes == {"top": "The top.", "low": "The bottom, in two lines.", "leaf": "A module."}
    assert found.summary == "3 packages in 3 rows, 3 imports, all of them downwards"


@pytest.mark.parametrize("contract", [CONTRACT, CONTRACT.replace('"low", "(absent)", "leaf"', '"low | leaf"')])
def test_an_import_that_is_not_downwards_is_reported(toy, contract):
    found = toy(DOWN | {"leaf.py": "def f():\n    from .low.b import X\n"}, contract)
    assert ("leaf", "low") in found.forbidden
    assert f"{len(found.forbidden)} of them not downwards" in found.summary
    assert not set(found.arrows) & set(found.forbidden)


def test_a_package_without_a_row_is_refused(toy):
    with pytest.raises(ValueError, match="low has no row"):
        toy(DOWN, CONTRACT.replace('"low", ', ""))


def test_a_contract_without_layers_is_refused(toy):
    with pytest.raises(ValueError, match="no contract of type layers"):
        toy(DOWN, CONTRACT.replace('"layers"', '"forbidden"'))


def declared():
    """The packages that have a page in the API reference, each as often as pages name it."""
    return [
        package
        for path in sorted((ROOT / "book" / "api").glob("*.rst"))
        for package in re.findall(r"^\.\. package-reference:: (\S+)$", path.read_text(encoding="utf-8"), re.M)
    ]


def test_every_public_module_has_one_entry(extensions):
    reference = extensions["package_reference"]
    listed = [name for package in declared() for name in reference.modules_of(package)]
    assert sorted(listed) == reference.public_modules(read_package())
    assert "osnet_lib.__main__" not in listed and "osnet_lib.errors" in listed


def test_a_page_bears_the_name_of_its_package():
    for path in (ROOT / "book" / "api").glob("*.rst"):
        title, rule, _, directive = path.read_text(encoding="utf-8").splitlines()
        assert title == path.stem and rule == "=" * len(title)
        assert re.split(r"[ .]", directive)[-1] == title


def test_a_page_lists_modules_once_and_by_definition(extensions):
    lines = extensions["package_reference"].page(["toy", "toy.a", "toy.b"])
    assert [line for line in lines if line.startswith("..")] == [
        f".. automodule:: {name}" for name in ("toy", "toy.a", "toy.b")
    ]
    assert lines.count("   :ignore-module-all:") == 3
    assert "toy" not in lines and lines[lines.index("a") + 1] == "-"


def test_new_modules_appear_and_private_ones_do_not(extensions, tmp_path):
    for name in ("__init__.py", "__main__.py", "a.py", "_b.py", "sub/__init__.py", "sub/c.py"):
        (tmp_path / "toy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "toy" / name).touch()
    modules_of = extensions["package_reference"].modules_of
    assert modules_of("toy", tmp_path / "toy") == ["toy", "toy.a"]
    assert modules_of("toy.sub", tmp_path / "toy") == ["toy.sub", "toy.sub.c"]


def test_what_matplotlib_adds_to_a_class_is_left_out(extensions):
    skip = extensions["package_reference"].skip_foreign
    assert skip(None, "class", "decode", ElementTree.parse, False, None) is True
    assert skip(None, "class", "page", read_package, False, None) is None
    assert skip(None, "module", "parse", ElementTree.parse, False, None) is None


def test_a_colon_in_a_property_is_only_a_colon(extensions):
    lines = ["Images per second: the mean of all rounds."]
    extensions["package_reference"].read_sections(None, "property", "name", None, None, lines)
    assert lines == ["Images per second: the mean of all rounds."]


PAGE = """Toy
===

.. architecture-picture::

.. package-reference:: osnet_lib

`osnet_lib.errors.MetricError` has an entry, `osnet_lib.metrics.evaluate` exists, `threads` is a parameter, and
`osnet_lib.errors.Forgotten` is gone.
"""


def test_a_page_is_built_and_what_is_wrong_is_a_warning(extensions, toy, tmp_path, monkeypatch):
    application = importlib.import_module("sphinx.application")
    upward = toy(DOWN | {"leaf.py": "from .low import b\n"})
    monkeypatch.setattr(extensions["architecture"], "read_architecture", lambda project: upward)
    source, warnings = tmp_path / "source", io.StringIO()
    source.mkdir()
    (source / "conf.py").touch()
    (source / "index.rst").write_text(PAGE)
    config = {
        "extensions": ["architecture", "package_reference"],
        "default_role": "py:obj",
        "nitpicky": True,
        "nitpick_ignore_regex": [("py:(class|obj)", "(?!osnet_lib[.]).*")],
    }
    places = [source, source, tmp_path / "html", tmp_path / "doctrees"]
    with importlib.import_module("sphinx.util.docutils").docutils_namespace():  # other pages are built in this process
        application.Sphinx(
            *map(str, places), "html", confoverrides=config, status=None, warning=warnings, freshenv=True
        ).build()
    html = (tmp_path / "html" / "index.html").read_text(encoding="utf-8")
    assert upward.summary in html and "1 of them not downwards" in html
    assert 'href="#osnet_lib.errors.MetricError"' in html and 'id="osnet_lib.errors.OSNetError"' in html
    first, second = warnings.getvalue().strip().splitlines()
    assert "leaf imports low, which does not stand in a lower row" in first
    assert "osnet_lib.errors.Forgotten" in second
