"""Templates of file names: where in a name or path the identity stands, and where the camera.

``{pid}`` and ``{camid}`` stand for whole numbers, ``{}`` or ``{any}`` for any text; everything else stands for itself.
A number beside ``{}`` takes all digits there are. ``{}`` holds at least one character, no ``/``, and not the one
that the template goes on with: in ``{}_c{camid}`` no ``_``. ``{pid}`` may stand several times; its digits are joined.
A template without a suffix fits images of every kind; one with ``/`` is compared with as many folders as it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ..core.files import IMAGE_SUFFIXES, stem
from ..errors import DatasetError

# Public data sets whose file names tell both; each as its authors, torchreid or fast-reid read it.
PUBLIC_TEMPLATES = {
    "market1501": "{pid}_c{camid}s{}",  # 0002_c1s1_000451_03.jpg
    "dukemtmc": "{pid}_c{camid}_f{}",  # 0001_c2_f0046182.jpg, also Occluded-Duke
    "msmt17": "{pid}_{}_{camid}_{}_{}_{}",  # test/0000/0000_000_01_0303morning_0015_0.jpg, by list_query.txt
    "veri": "{pid}_c{camid}_{}_{}",  # 0002_c002_00030600_0.jpg, vehicles
    "cuhk03": "{pid}_c{camid}_{}",  # 0001_c1_1.png, the new protocol's folders (labeled, detected)
    "ag-reid": "P{pid}T{pid}A{pid}C{camid}F{}",  # P0001T04081A0C0F0140.jpg: a person is all three numbers
    "cargo": "Cam{camid}_{}_{pid}_{}",  # Cam1_day_2519_241.jpg
    "ltcc": "{pid}_{}_c{camid}_{}",  # 001_1_c3_015833.png, the second number is the clothes
    "open-reid": "{pid}_{camid}_{}",  # 00000001_01_0000.jpg
}
_FIELD = re.compile(r"\{([^{}]*)\}")
_ANY = ("field", "")
_NUMBER = {"pid": re.compile(r"-1|[0-9]{1,18}"), "camid": re.compile(r"[0-9]{1,9}")}
_LONGEST = 255  # letters of a file's name: no system has more, and the ways to read one grow with its square
_NEEDED = "A template is written like {pid}_c{camid}_{}.jpg, {} for any text"


@dataclass(frozen=True)
class NameTemplate:
    """A parsed template; see the module.

    Attributes
    ----------
    text : str
        As it was written.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> NameTemplate:
        """The template of this text, or of the public data set of this name.

        Raises
        ------
        DatasetError
            No such name; an unknown field; no ``{pid}`` or not one ``{camid}``; two numbers side by side.
        """
        if "{" not in text:
            if text.lower() not in PUBLIC_TEMPLATES:
                known = ", ".join(PUBLIC_TEMPLATES)
                raise DatasetError(
                    "is neither a template nor the name of one", where=text, cure=f"{_NEEDED}; named are {known}"
                )
            text = PUBLIC_TEMPLATES[text.lower()]
        made = cls(text)
        fields = [field for kind, field in made.parts if kind == "field"]
        unknown = [field for field in fields if field not in ("pid", "camid", "")]
        if unknown or "{" in _FIELD.sub("", text) or "}" in _FIELD.sub("", text):
            field = f"{{{unknown[0]}}}" if unknown else "a single brace"
            raise DatasetError(f"holds {field}; there are {{pid}}, {{camid}} and {{}}", where=text, cure=_NEEDED)
        if "pid" not in fields or fields.count("camid") != 1:
            raise DatasetError("needs {pid} and one {camid}", where=text, cure=_NEEDED)
        if re.search(r"\{(?:pid|camid)\}\{(?:pid|camid)\}", text):
            raise DatasetError("has two numbers side by side, whose border nobody can tell", where=text, cure=_NEEDED)
        return made

    @cached_property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """Pairs of ``"text"`` or ``"field"`` and the text or the name of the field, "" for any text; no suffix."""
        parts, place = [], 0
        text = stem(self.text)
        for match in _FIELD.finditer(text):
            if match.start() > place:
                parts.append(("text", text[place : match.start()]))
            parts.append(("field", match[1].strip().replace("any", "")))
            place = match.end()
        return tuple([*parts, ("text", text[place:])] if place < len(text) else parts)

    @cached_property
    def suffix(self) -> str:
        """That of the template, in small letters; empty where images of every kind fit."""
        return self.text[len(stem(self.text)) :].lower()

    def readings(self, path: str) -> set[tuple[tuple[str, ...], str]]:
        """Every way to read a path: the digits of each ``{pid}`` and those of ``{camid}``.

        None where it does not fit, several where the template does not tell which is right.
        """
        folders = self.text.count("/")
        name = "/".join(path.split("/")[-folders - 1 :])
        if (self.suffix and not name.lower().endswith(self.suffix)) or len(name) > _LONGEST * (folders + 1):
            return set()
        name = stem(name)
        states: set[tuple[int, tuple[str, ...], str]] = {(0, (), "")}  # place in the name, what was read
        for number, (kind, value) in enumerate(self.parts):
            states = {
                (
                    end,
                    (*pids, name[place:end]) if value == "pid" else pids,
                    name[place:end] if value == "camid" else camid,
                )
                for place, pids, camid in states
                for end in self._ends(name, place, number, kind, value)
            }
        return {(pids, camid) for place, pids, camid in states if place == len(name)}

    def _ends(self, name: str, place: int, number: int, kind: str, value: str) -> Iterator[int]:
        """Where a part that begins at a place may end."""
        if kind == "text":
            if name.startswith(value, place):
                yield place + len(value)
            return
        before = self.parts[number - 1] if number else ("", "")
        after = self.parts[number + 1] if number + 1 < len(self.parts) else ("", "")
        for end in range(place + 1, len(name) + 1):
            if not value:
                if name[end - 1] == "/" or (after[0] == "text" and name[end - 1] == after[1][0]):
                    return
                yield end
            elif _NUMBER[value].fullmatch(name, place, end):
                digits = (before == _ANY and name[place - 1].isdigit(), after == _ANY and name[end : end + 1].isdigit())
                if not any(digits):
                    yield end


def template_of(name: str) -> str | None:
    """The public data set, other than Market-1501, whose names look like this one; None where none does."""
    others = (known for known in PUBLIC_TEMPLATES if known != "market1501")
    return next((known for known in others if NameTemplate.parse(known).readings(name)), None)


def is_image_name(name: str) -> bool:
    """Whether a name ends as those of images do."""
    return stem(name) != name and name.lower().rpartition(".")[2] in IMAGE_SUFFIXES
