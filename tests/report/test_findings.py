"""What a diagnosis found, in sentences of every language."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from osnet_lib.core.code_digest import PACKAGE
from osnet_lib.diagnosis.findings import Finding
from osnet_lib.diagnosis.preparation import _AGAIN
from osnet_lib.report.findings import findings_said
from osnet_lib.report.words import said_again, word

RIGHT = Finding(
    "query: agrees",
    "right",
    "These are the features of this model and these images",
    "16 images recomputed: cosine >= 0.999999",
)
BAD = Finding("BGR", "wrong", "It is BGR", "we saw it", "Turn it.")


def test_what_is_wrong_is_named_before_the_items():
    assert str(findings_said([BAD, RIGHT])) == (
        "**Wrong: `BGR`.**\n\n- *wrong*, `BGR`. It is BGR: we saw it. Turn it.\n"
        "- *right*, `query: agrees`. These are the features of this model and these images: "
        "16 images recomputed: cosine >= 0.999999."
    )
    assert str(findings_said([RIGHT])).startswith("**Nothing is wrong.**\n\n- *right*, `query: agrees`. These are")


@pytest.mark.parametrize(
    "severity, what, evidence, cure, words",
    [
        (
            "right",
            "These are the features of this model and these images",
            "16 images recomputed: cosine >= 0.999999",
            "",
            ["- *正常*（`a name`）：这些就是本模型对这些图像给出的特征。", "重新计算 16 张图像，余弦 >= 0.999999。"],
        ),
        (
            "wrong",
            "Images without a feature",
            "in query, 3 of 1,237 rows are all zero, the first is of 0002_c1s1_000451_03.jpg",
            "",
            ["查询图像中，1,237 行中有 3 行全为零，第一个是 0002_c1s1_000451_03.jpg。"],
        ),
        (
            "right",
            "The features tell people apart",
            "Rank-1 0.930 and mAP 0.846 (euclidean), where guessing gives an mAP of 0.012",
            "",
            ["Rank-1 为 0.930，mAP 为 0.846（欧氏距离）；随机猜测的 mAP 为 0.012。"],
        ),
        (
            "harmless",
            "The features were rounded to float16",
            "all 512 values are float16 numbers",
            "Scores move by a query or so at most; osnet compare tells.",
            ["- *无害*", "512 个值", "处理：精度最多相差一张查询图像左右，可用 osnet compare 核对。"],
        ),
    ],
)
def test_a_finding_is_said_again_in_chinese_with_its_values(severity, what, evidence, cure, words):
    stored = findings_said([Finding("a name", severity, what, evidence, cure)]).as_dict()
    text = said_again(stored).text("zh_CN")
    assert not [some for some in words if some not in text], text


def literals() -> Iterator[str]:
    """The texts of findings as they stand in the code, a number where a value stands; not those of set-ups."""
    for path in sorted((PACKAGE / "diagnosis").glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "Finding":
                for part in call.args[2:]:
                    if isinstance(part, (ast.Constant, ast.JoinedStr)):
                        yield _filled(part)


def _filled(part: ast.Constant | ast.JoinedStr) -> str:
    pieces = [part] if isinstance(part, ast.Constant) else part.values
    return "".join(str(piece.value) if isinstance(piece, ast.Constant) else _value(piece) for piece in pieces)


def _value(piece: ast.expr) -> str:
    return _AGAIN if isinstance(piece, ast.FormattedValue) and ast.unparse(piece.value) == "_AGAIN" else "7"


def test_every_text_of_a_finding_has_its_counterpart():
    found = [text for text in literals() if re.search("[a-z]{2}", text)]
    assert len(found) > 60 and "The features hardly tell people apart" in found
    set_ups = ("These features are those of 7", "These features are not explained; 7")  # no notebook meets them
    assert [text for text in found if word(text, "zh_CN") == text and text not in set_ups] == []
