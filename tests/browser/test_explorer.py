"""The ranking explorer and the chart of speeds in a browser, from a file: they answer to pointer and keyboard."""

from __future__ import annotations

import json
import re

import pytest

pytestmark = pytest.mark.browser

EXPLORER, CHART = ".osnet-explorer[data-live]", ".osnet-point-chart[data-live]"


@pytest.fixture
def opened(page, book):
    """A function that opens a page of the built book as a file and waits for its first explorer or chart."""
    errors, requests = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))

    def open_page(name: str, part: str, edition: str = ""):
        page.goto((book / edition / "executed" / f"{name}.html").as_uri())
        page.wait_for_selector(part)
        return page.locator(part).first

    yield open_page
    own = [error for error in errors if "THEBE" not in error]
    assert not own and all(url.startswith(("file:", "data:", "blob:")) for url in requests)


def data_of(part) -> dict:
    return json.loads(part.locator('script[type="application/json"]').first.text_content())


def shown(explorer) -> list[tuple[str, str]]:
    """Sign and words of every listed image."""
    return [
        (card.locator(".sign").inner_text(), card.inner_text().replace("\n", " "))
        for card in explorer.locator(".ranks li").all()
    ]


SIGNS = {"r": "✓", "w": "✗", "d": "–", "j": "∅"}


def test_a_query_is_picked_by_camera_identity_and_order(opened):
    explorer = opened("07_ranking", EXPLORER)
    data = data_of(explorer)
    camera, identity, order, query = explorer.locator("select").all()
    status = explorer.get_by_role("status")
    assert "Query 1 of" in status.inner_text() and f"AP {100 * data['queries'][0][3]:.1f} %" in status.inner_text()
    assert [sign for sign, _ in shown(explorer)] == [SIGNS[mark] for mark in data["lists"][0][2]]

    order.select_option("best")
    best = max(range(len(data["queries"])), key=lambda i: data["queries"][i][3] or 0)
    assert f"AP {100 * data['queries'][best][3]:.1f} %" in status.inner_text()
    camera.select_option("3")
    pids = {entry[1] for entry in data["queries"] if entry[2] == 3}
    assert query.locator("option").count() == sum(entry[2] == 3 for entry in data["queries"])
    identity.select_option(str(min(pids)))
    assert f"identity {min(pids)}, camera 3" in status.inner_text()

    number = int(query.input_value())
    found, distances, marks = data["lists"][number]
    for (sign, words), image, distance, mark in zip(shown(explorer), found, distances, marks, strict=True):
        _, _, pid, camid = data["gallery"][image]
        who = "junk" if pid < 0 else f"identity {pid}" if pid else "distractor"
        assert sign == SIGNS[mark] and f"{who} camera {camid}" in words
        assert float(words.split()[-1]) == pytest.approx(distance, rel=1e-3)


def test_the_chinese_edition_speaks_chinese(opened):
    explorer = opened("07_ranking", EXPLORER, "zh")
    status = explorer.get_by_role("status").inner_text()
    assert re.match(r"第 1 张查询图像，共 \d+ 张：行人 \d+，摄像头 \d，AP [\d.]+ %。", status)
    shown_words = explorer.inner_text() + status
    assert not re.search(r"[a-z]{3}", re.sub(r"\b\w+\.jpg", "", shown_words))
    chart = opened("10_summary", CHART, "zh")
    chart.get_by_label("设备").select_option(label="Ascend 310")
    assert "个点，Ascend 310 对数" in chart.get_by_role("status").inner_text()
    chart.locator(".plot > .mark").first.focus()
    assert re.search(r"Ascend 310（公开数据）：批大小 \d+，吞吐率 [\d,.]+ 张/秒", chart.locator(".tip").inner_text())


def test_arrow_keys_lead_from_query_to_query(opened, page):
    explorer = opened("07_ranking", EXPLORER)
    explorer.locator(".ranks").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert "Query 3 of" in explorer.get_by_role("status").inner_text()
    page.keyboard.press("ArrowLeft")
    explorer.get_by_role("button", name="next query").click()
    assert "Query 3 of" in explorer.get_by_role("status").inner_text()


def test_pictures_and_map_are_painted(opened):
    explorer = opened("07_ranking", EXPLORER)
    if data_of(explorer)["sprite"] is None:
        pytest.skip("a book of data whose pictures were not asked for")
    painted = """canvas => new Set(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).size"""
    canvases = explorer.locator("canvas").all()
    assert len(canvases) == 2 + len(shown(explorer))
    assert all(canvas.evaluate(painted) > 20 for canvas in canvases)


def test_on_a_phone_nothing_is_wider_than_the_screen(opened, page):
    page.set_viewport_size({"width": 390, "height": 800})
    for name, part in (("07_ranking", EXPLORER), ("10_summary", CHART)):
        box = opened(name, part).bounding_box()
        assert 250 < box["width"] <= 390 and box["x"] + box["width"] <= 390
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_chart_tells_values_by_device_and_scale(opened, page):
    chart = opened("10_summary", CHART)
    tip, marks = chart.locator(".tip"), chart.locator(".plot > .mark")
    every = marks.count()
    marks.nth(2).locator(".shape").hover(force=True)
    assert re.search(r"batch size \d+, images per second [\d,.]+", tip.inner_text())

    device = chart.get_by_label("Device")
    device.select_option(label="Ascend 310")
    assert 0 < marks.count() < every and tip.is_hidden()
    marks.first.focus()
    first = tip.inner_text()
    page.keyboard.press("ArrowRight")
    assert "Ascend 310" in first and tip.inner_text() != first
    before = marks.nth(1).get_attribute("y")
    scale = chart.get_by_label("Scale")
    scale.select_option(index=1)
    assert marks.nth(1).get_attribute("y") != before
    assert "points" in chart.get_by_role("status").inner_text()


@pytest.mark.parametrize("width", [1440, 390])
def test_labels_of_a_chart_do_not_touch(opened, page, width):
    page.set_viewport_size({"width": width, "height": 900})
    chart = opened("10_summary", CHART)
    for scale in range(2):
        chart.get_by_label("Scale").select_option(index=scale)
        boxes = [text.bounding_box() for text in chart.locator(".plot text").all()]
        assert len(boxes) > 4
        for i, a in enumerate(boxes):
            for b in boxes[:i]:
                across = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
                down = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
                assert across <= 0 or down <= 2


def test_without_a_script_a_table_and_a_drawing_remain(browser, book):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto((book / "executed" / "07_ranking.html").as_uri())
        assert page.locator(".osnet-explorer .osnet-static table tbody tr").count() == 10
        page.goto((book / "executed" / "10_summary.html").as_uri())
        assert page.locator(".osnet-point-chart .plot > .mark").count() > 10
