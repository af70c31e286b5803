"""``osnet compare`` in the shell: every kind of source, the gate's exit code, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from osnet_lib.cli import main as cli
from osnet_lib.core.results import Result, write_result
from osnet_lib.datasets.market1501 import LANDMARKS
from osnet_lib.features.store import Features, load_features, save_features
from osnet_lib.guide.metrics_json import write_guide_json
from osnet_lib.metrics import evaluate

PREPROCESS = "RGB, bilinear 256x128, ImageNet mean and std"
CONDITIONS = {
    "dataset": {"file": "toy", "sha256": "d" * 64},
    "preprocess": PREPROCESS,
    "session": {"device": "CPU", "precision": "float32", "model": "a.onnx"},
}


def splits(noise: float, seed: int = 0, people: int = 30, **conditions) -> dict[str, Features]:
    """Features of people: two queries and three gallery images each; with `noise` they are harder to tell apart."""
    fixed, varied = np.random.default_rng(99), np.random.default_rng(seed)
    centres, made = fixed.normal(size=(people, 16)), {}
    for split, cameras in (("query", (1, 2)), ("gallery", (3, 4, 5))):
        pids, camids = np.repeat(np.arange(1, people + 1), len(cameras)), np.tile(cameras, people)
        own = fixed.normal(0, 0.9, (len(pids), 16))
        features = centres[pids - 1] + own + noise * varied.normal(size=own.shape)
        names = np.array([f"{pid:04d}_c{camid}s1_000001_00.jpg" for pid, camid in zip(pids, camids)])
        made[split] = Features(names, pids, camids, features.astype(np.float32), {**CONDITIONS, **conditions})
    return made


def write(folder, made: dict[str, Features], shuffle: bool = False):
    for split, features in made.items():
        order = np.random.default_rng(5).permutation(len(features)) if shuffle else np.arange(len(features))
        save_features(
            folder / f"{split}.npz",
            Features(
                *(getattr(features, name)[order] for name in ("names", "pids", "camids", "features")),
                features.conditions,
            ),
        )
    return folder


def result(
    folder,
    name: str,
    rank1: float,
    mAP: float,
    market: bool = True,
    metric: str = "euclidean",
    queries: int = 3368,
    digest: str = "e" * 64,
):
    conditions = {
        "model": {"architecture": "osnet_x1_0", "sha256": "a" * 64},
        "metric": metric,
        "session": {"backend": "onnxruntime", "device": "CPU", "precision": "float32", "threads": 1},
        "dataset": {"file": "data", "sha256": digest},
        "is_market1501": market,
        "preprocess": PREPROCESS,
    }
    return write_result(
        folder, Result("accuracy", name, conditions, {"rank": {"1": rank1}, "mAP": mAP, "num_valid": queries})
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of sources; tests only read it."""
    folder = tmp_path_factory.mktemp("compare")
    good = splits(0.05)
    write(folder / "good", good)
    write(folder / "shuffled", good, shuffle=True)
    write(folder / "close", splits(0.06, seed=1), shuffle=True)
    write(folder / "bad", splits(1.5, seed=2))
    lacking = {
        split: Features(f.names[1:], f.pids[1:], f.camids[1:], f.features[1:], f.conditions)
        for split, f in good.items()
    }
    write(folder / "lacking", {**good, "query": lacking["query"]})
    write(folder / "lacking_gallery", {**good, "gallery": lacking["gallery"]})
    other = good["query"].names.copy()
    other[4] = "0003_c1s9_000009_00.jpg"
    write(folder / "renamed", {**good, "query": replace(good["query"], names=other)})
    write(folder / "relabelled", {**good, "gallery": replace(good["gallery"], camids=good["gallery"].camids + 1)})
    write(folder / "otherdata", splits(0.05, dataset={"file": "toy", "sha256": "f" * 64}))
    write(folder / "narrow", {split: replace(f, features=f.features[:, :8]) for split, f in good.items()})
    write(folder / "otherway", splits(0.05, preprocess="BGR"))
    broken = good["query"].features.copy()
    broken[3, 3] = np.nan
    write(folder / "broken", {**good, "query": replace(good["query"], features=broken)})
    (folder / "empty").mkdir()
    score = evaluate(good["query"], good["gallery"])
    assert 0.6 < score.rank(1) < 1  # neither trivial nor hopeless
    junk = good["gallery"]
    write(
        folder / "junk",
        {
            **good,
            "gallery": Features(
                np.append(junk.names, "-1_c3s1_000001_00.jpg"),
                np.append(junk.pids, -1),
                np.append(junk.camids, 3),
                np.vstack([junk.features, junk.features[:1]]),
                junk.conditions,
            ),
        },
    )
    write(
        folder / "stems",
        {split: replace(f, names=np.array([name[:-4] for name in f.names])) for split, f in good.items()},
    )
    result(folder, "toy", score.rank(1), score.mAP, False, queries=60, digest="d" * 64)
    result(folder, "toycosine", score.rank(1), score.mAP, False, "cosine", 60, "d" * 64)
    result(folder, "market", 3176 / 3368, 0.8257)
    result(folder, "lower", 3170 / 3368, 0.8257)
    result(folder, "cosine", 3176 / 3368, 0.8257, metric="cosine")
    result(folder, "mini", 0.98, 0.9, False, queries=300)
    write_guide_json(folder / "result.json", 3176 / 3368, 0.8257416732159705)
    write_guide_json(folder / "worse.json", 0.93, 0.7)
    (folder / "text.json").write_text("no JSON")
    (folder / "performance.json").write_text('{"kind": "performance"}')
    return folder


@pytest.fixture
def osnet(capsys, place, monkeypatch):
    """Run ``osnet compare`` in the folder of sources; exit code, standard output, lines of standard error."""
    monkeypatch.chdir(place)

    def run(*arguments: str) -> tuple[int, str, list[str]]:
        try:
            code = cli.main(["compare", *arguments])
        except SystemExit as error:
            code = error.code
        out, err = capsys.readouterr()
        return code, out, err.splitlines()

    return run


# ---------------------------------------------------------------------------------------------------- two folders


def test_features_against_themselves_in_another_order(osnet):
    code, out, err = osnet("good", "shuffled")
    assert (code, err) == (0, [])
    assert "The gate is passed." in out and "Features differ by up to 0 (mean 0), smallest cosine 1.0000000." in out
    assert "The nearest image changed for 0 of 60 queries." in out
    assert "shuffled and good rank alike: the same average precision" in out
    assert re.search(r"^good: Rank-1 .* 95 % intervals, resampling 60 queries$", out, re.M)
    assert re.search(r"^shuffled: Rank-1 .* 95 % intervals, resampling 30 identities$", out, re.M)


@pytest.mark.parametrize("arguments", ["good junk", "junk good", "good stems", "stems junk"])
def test_junk_and_names_without_jpg_are_no_difference(osnet, arguments):
    code, out, err = osnet(*arguments.split())
    assert (code, err) == (0, []) and "smallest cosine 1.0000000." in out and "rank alike" in out


@pytest.mark.parametrize("target", [".", "folder", "/"])
def test_a_folder_cannot_receive_the_figures(osnet, tmp_path, monkeypatch, place, target):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    code, _, err = osnet(str(place / "good"), str(place / "close"), "--mAP-drop", "0.5", "--json", target)
    assert code == 2 and err == [
        (f"osnet: {target}: is a directory. Check the path, its permissions and the space on the disk.")
    ]


def test_a_worse_model_fails_and_every_figure_is_true(osnet, place, tmp_path):
    code, out, err = osnet("good", "bad", "--json", str(tmp_path / "made" / "c.json"))
    assert code == 1 and err == ["osnet: gate failed: bad against good: Rank-1 and mAP"]
    found = json.loads((tmp_path / "made" / "c.json").read_text())
    scores = {}
    for name in ("good", "bad"):
        parts = [load_features(place / name / f"{split}.npz") for split in ("query", "gallery")]
        scores[name] = evaluate(*parts)
    a, b = scores["good"], scores["bad"]
    assert (found["reference"]["mAP"], found["candidate"]["rank1"]) == (a.mAP, b.rank(1))
    assert found["passed"] is False and [c["passed"] for c in found["criteria"]] == [False, False]
    paired = found["paired"]
    assert paired["lost"] - paired["won"] == a.hits(1) - b.hits(1) and paired["resampled"] == "identities"
    assert paired["changed"] == np.count_nonzero(a.ap != b.ap) and paired["outcome"] == "worse"
    assert paired["mAP"]["low"] < b.mAP - a.mAP < paired["mAP"]["high"] < 0
    assert "bad is worse than good: mAP falls by" in out and "Chance does not explain that mAP fails" in out
    assert found["intervals"]["candidate"]["queries"]["units"] == 60
    assert found["intervals"]["reference"]["identities"]["units"] == 30
    assert found["features"]["max_abs"] > 1 and 0 < found["top1_changed"] <= 60
    assert f"The nearest image changed for {found['top1_changed']} of 60 queries." in out


def test_pairing_by_name_not_by_row(osnet, tmp_path):
    """The same comparison whatever the order of the rows."""
    for name in ("shuffled", "good"):
        osnet(name, "close", "--json", str(tmp_path / f"{name}.json"))
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("shuffled", "good"))
    assert one["top1_changed"] == two["top1_changed"]
    assert one["features"] == pytest.approx(two["features"]) and one["features"]["max_abs"] < 1
    assert {k: one["paired"][k] for k in ("lost", "won", "changed", "p")} == {
        k: two["paired"][k] for k in ("lost", "won", "changed", "p")
    }


def test_options(osnet):
    code, out, _ = osnet("good", "bad", "--mAP-drop", "0.9", "--level", "0.8")
    assert code == 1 and "90 % is allowed): passed" in out and "80 % intervals" in out and "the 80 % interval" in out
    code, out, _ = osnet("good", "close", "--metric", "cosine", "--mAP-drop", "0.5")
    assert "  cosine  " in out and "  euclidean  " not in out


def test_networks_of_different_width(osnet):
    _code, out, _err = osnet("narrow", "good")
    assert "Features of different width are not compared." in out and "The nearest image changed for" in out


def test_another_preprocessing_is_warned_of(osnet):
    code, _, err = osnet("good", "otherway")
    assert code == 0 and err == [f"warning: good and otherway: images prepared in two ways ({PREPROCESS} against BGR)"]


# ----------------------------------------------------------------------------------------------- scores from files


@pytest.mark.parametrize(
    "reference, candidate, code",
    [
        ("accuracy-market.json", "accuracy-market.json", 0),
        ("accuracy-market.json", "accuracy-lower.json", 1),
        ("published:osnet_x1_0", "accuracy-market.json", 0),
        ("published:osnet_x1_0", "accuracy-lower.json", 1),
        ("published:osnet_x1_0:Ascend 310", "accuracy-market.json", 0),
        ("published:osnet_x1_0:Ascend 310P3", "accuracy-market.json", 1),
        ("published:osnet_x1_0", "published:osnet_x1_0:Ascend 310", 0),
        ("accuracy-toy.json", "good", 0),
        ("accuracy-toy.json", "bad", 1),
        ("good", "accuracy-toy.json", 0),
        ("accuracy-toycosine.json", "bad", 1),
    ],
)
def test_scores_without_features(osnet, reference, candidate, code):
    found, out, err = osnet(reference, candidate)
    assert found == code and len(err) == code  # the one line that says what failed
    assert "rank alike" not in out and "nearest image" not in out
    assert out.splitlines().count(f"The gate {'fails' if code else 'is passed'}.") == 1


def test_a_folder_is_scored_with_the_others_distance(osnet):
    out = osnet("accuracy-toycosine.json", "good")[1]
    assert out.count("  cosine  ") == 2


def test_the_guides_three_queries(osnet):
    out = osnet("published:osnet_x1_0", "published:osnet_x1_0:Ascend 310")[1]
    assert "about +3 of 3,368 queries; 94.2 % in print stands for 3,171 to 3,174 right" in out
    assert "torchreid MODEL_ZOO" in out and "float16 (inferred), Ascend 310" in out


@pytest.mark.parametrize("file, code", [("result.json", 0), ("worse.json", 1)])
def test_the_guides_file_states_no_conditions(osnet, file, code):
    found, _out, err = osnet("published:osnet_x1_0", file)
    assert found == code
    assert err[0] == (
        f"warning: {file} does not state its distance and whether its data set is Market-1501; taken as the other's"
    )


# ------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("good lacking", "good and lacking: the second has no 0001_c1s1_000001_00.jpg. Extract both"),
        ("lacking good", "the first has no 0001_c1s1_000001_00.jpg"),
        ("good lacking_gallery", "the second has no 0001_c3s1_000001_00.jpg"),
        ("good renamed", "the second has no 0003_c1s1_000001_00.jpg"),
        ("good relabelled", "0001_c3s1_000001_00.jpg has another identity or camera in the second"),
        ("good otherdata", "two data sets (toy and toy)"),
        ("good broken", "query.npz: 1 features are not finite, the first is of 0002_c2s1_000001_00.jpg"),
        ("good empty", "query.npz: no such feature file"),
        ("good gone", "gone: no such folder or file"),
        ("good text.json", "text.json: no JSON that can be read"),
        ("good performance.json", "performance.json: not a result file"),
        ("good good/query.npz", "good/query.npz: no JSON that can be read"),
        ("published:osnet_x9 good", "no published score 'osnet_x9'. There are osnet_x1_0:GPU, "),
        ("published:osnet_x1_0 good", "good is not a score on Market-1501 as published (toy)"),
        (
            "published:osnet_x1_0 accuracy-mini.json",
            "accuracy-mini.json is not a score on Market-1501 as published (data)",
        ),
        ("accuracy-mini.json published:osnet_x1_0", "accuracy-mini.json is not a score on Market-1501 as published"),
        ("published:osnet_x1_0 accuracy-cosine.json", "euclidean and cosine distance"),
        ("accuracy-toycosine.json good --metric euclidean", "a score of cosine distance, not of euclidean"),
        ("published:osnet_x1_0 good --metric cosine", "a score of euclidean distance, not of cosine"),
        ("accuracy-mini.json good", "300 and 60 queries"),
        ("good good --level 95", "level 95"),
        ("good good --mAP-drop 1", "an allowed drop of 1"),
        ("good good --metric manhattan", "invalid choice"),
        ("good", "arguments are required: candidate"),
    ],
)
def test_refused(osnet, arguments, words):
    code, out, err = osnet(*arguments.split(" "))
    assert code == 2 and words in err[-1] and not out and "Traceback" not in "".join(err)


def test_nothing_is_written_where_something_is_refused(osnet, tmp_path):
    assert osnet("good", "lacking", "--json", str(tmp_path / "c.json"))[0] == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("junk, suffix", [(0, ".jpg"), (3819, "")])
def test_all_of_market1501_can_stand_beside_the_published_score(osnet, tmp_path, junk, suffix):
    """Rows in the numbers of the published release, with its landmark names; the features are made up."""
    rng = np.random.default_rng(0)
    for split, images, ignored, camid in (("query", 3368, 0, 1), ("gallery", 15913 + junk, junk, 2)):
        names = sorted(
            {name.replace(".jpg", suffix) for name in LANDMARKS[split]}
            | {f"made_up_{i}" for i in range(images - len(LANDMARKS[split]))}
        )
        pids = np.arange(images) % 750 + 1
        pids[images - ignored :] = -1
        features = np.eye(750, 64, dtype=np.float32)[pids - 1] + rng.normal(0, 1, (images, 64)).astype(np.float32)
        save_features(tmp_path / f"{split}.npz", Features(np.array(names), pids, np.full(images, camid), features))
    code, out, err = osnet("published:osnet_x1_0", str(tmp_path))
    assert code == 1 and err[-1].endswith(": Rank-1 and mAP") and "of 3,368 queries" in out
    assert "resampling 750 identities" in out
