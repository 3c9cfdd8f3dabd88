"""The review page: who may open it, what it shows, and what a verdict writes."""

import http.client
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from darkroom import proposals, verdicts
from darkroom.system.errors import InputError
from pipelines.review.findings import Findings
from pipelines.review.review_server import MAX_BODY_BYTES, ReviewServer
from pipelines.review.reviewed_run import verdicts_file
from tests.reviewed import NASTY, encoded, make_run


class Browser:
    """Asks a server, as the page does unless it is told otherwise."""

    def __init__(self, server: ReviewServer) -> None:
        self.server, self.port, self.token = server, server.port, server.token

    def ask(self, path: str, body: Any = None, token: str | None = None, method: str = "", **headers: str) -> tuple[int, Any, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        said = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{self.port}"} if body is not None else {}
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        address = f"{path}{'&' if '?' in path else '?'}token={self.token if token is None else token}"
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method or ("GET" if body is None else "POST"), address, data, said)
        answer = connection.getresponse()
        found = answer.read()
        connection.close()
        kind = answer.headers.get_content_type()
        return answer.status, json.loads(found) if kind == "application/json" else found, answer.headers


@pytest.fixture
def findings(tmp_path: Path) -> Findings:
    run = make_run(tmp_path, ["cat/0.png", f"cat/{NASTY}", "cat/2.png", "cat/3.png"], checks=("dark", "near_duplicate"))
    return Findings(run, tmp_path / "data" / verdicts.FILE, "anna", run.findings)


@pytest.fixture
def browser(findings: Findings) -> Iterator[Browser]:
    with ReviewServer(findings) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Browser(server)
        finally:
            server.shutdown()
            thread.join()


def verdict(findings: Findings, word: str = "drop", *labels: str, row: int = 0) -> dict[str, Any]:
    return {"image_id": findings.rows[row]["image_id"], "verdict": word, "labels": list(labels)}


def test_the_server_is_on_this_machine_alone_and_its_address_has_a_token(browser: Browser) -> None:
    assert browser.server.server_address[0] == "127.0.0.1"
    assert browser.server.address == f"http://127.0.0.1:{browser.port}/?token={browser.token}" and len(browser.token) > 40
    status, page, headers = browser.ask("/")
    assert status == 200 and b"<script nonce=" in page and b"{{" not in page
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy and "frame-ancestors 'none'" in policy
    assert b"http://" not in page and b"https://" not in page and b"innerHTML" not in page
    assert headers["Referrer-Policy"] == "no-referrer" and headers["Cache-Control"] == "no-store"
    assert browser.ask("/")[1] != page  # another nonce


PATHS = ("/", "/overview", "/findings?check=dark", "/image/IMAGE?size=small", "/verdict", "/nowhere")
STRANGERS: tuple[dict[str, str], ...] = (
    {"token": ""},
    {"token": "x" * 43},
    {"Host": "darkroom.example.org"},
    {"Host": "127.0.0.1"},
    {"Host": "127.0.0.1:1"},
    {"Host": "0.0.0.0:PORT"},
    {"Origin": "http://example.org"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "https://127.0.0.1:PORT"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
)


@pytest.mark.counted("strangers at the review page")
@pytest.mark.parametrize("stranger", STRANGERS, ids=str)
def test_a_stranger_gets_nothing(stranger: dict[str, str], browser: Browser, findings: Findings) -> None:
    said = {name: value.replace("PORT", str(browser.port)) for name, value in stranger.items()}
    for path in PATHS:
        body = verdict(findings) if path == "/verdict" else None
        status, answer, _ = browser.ask(path.replace("IMAGE", findings.rows[0]["image_id"]), body, **said)  # type: ignore[arg-type]
        assert status == 403 and set(answer) == {"error"}
    assert not findings.file.exists()


@pytest.mark.parametrize(
    "path",
    [
        "/image/../../etc/passwd",
        "/image/cat/0.png",
        "/image/%2e%2e/x",
        "/image/" + "f" * 64,
        "/image/" + "F" * 64,
        "/page.html",
        "/.env",
    ],
)
def test_nothing_is_served_by_its_path(path: str, browser: Browser) -> None:
    assert browser.ask(f"{path}?size=small")[0] == 404


def test_images_are_made_anew_in_the_size_that_is_asked_for(browser: Browser, findings: Findings) -> None:
    name = findings.rows[0]["image_id"]
    status, small, headers = browser.ask(f"/image/{name}?size=small")
    assert status == 200 and headers["Content-Type"] == "image/jpeg" and Image.open(io.BytesIO(small)).size == (256, 128)
    _, large, headers = browser.ask(f"/image/{name}?size=large")
    assert headers["Content-Type"] == "image/png" and Image.open(io.BytesIO(large)).size == (400, 200)
    assert browser.ask(f"/image/{name}?size=huge")[0] == 404


def test_findings_come_worst_first_in_parts_with_what_is_known_of_them(browser: Browser, findings: Findings) -> None:
    overview = browser.ask("/overview")[1]
    assert [(one["check"], one["count"]) for one in overview["checks"]] == [("near_duplicate", 2), ("dark", 2)]
    (first,) = browser.ask("/findings?check=near_duplicate&start=1&count=1")[1]
    assert first["path"] == f"cat/{NASTY}" and first["split"] == "test" and first["labels"] == ["cat"]
    assert first["other"]["path"] == "cat/0.png"
    assert browser.ask("/findings?check=none")[1] == []
    assert browser.ask("/findings?check=dark&start=x")[0] == 400


def test_a_verdict_is_on_the_disk_when_it_is_answered(browser: Browser, findings: Findings) -> None:
    status, answer, _ = browser.ask("/verdict", verdict(findings, "relabel", "dog"))
    assert status == 200 and (answer["verdict"], answer["labels"], answer["who"]) == ("relabel", ["dog"], "anna")
    (written,) = verdicts.read(findings.file)
    assert (written.image_id, written.word, written.label) == (findings.rows[0]["image_id"], "relabel", "dog")
    verdicts.append(findings.file, replace(written, word="keep", label="", who="bo", when=verdicts.now()))  # another reviewer
    shown = browser.ask("/findings?check=dark")[1][-1]["verdict"]
    assert (shown["verdict"], shown["who"]) == ("keep", "bo")
    assert [one["decided"] for one in browser.ask("/overview")[1]["checks"]] == [0, 1]
    assert len(verdicts.read(findings.file)) == 2


WRONG: dict[str, Any] = {
    "no json": b"drop it",
    "nested": b"[" * 60_000,
    "a list": [],
    "no labels": {"image_id": "IMAGE", "verdict": "drop"},
    "labels of another kind": {"image_id": "IMAGE", "verdict": "relabel", "labels": [1]},
    "no verdict": {"image_id": "IMAGE", "verdict": "burn", "labels": []},
    "no class": {"image_id": "IMAGE", "verdict": "relabel", "labels": ["cow"]},
    "two labels": {"image_id": "IMAGE", "verdict": "relabel", "labels": ["cat", "dog"]},
    "no label": {"image_id": "IMAGE", "verdict": "relabel", "labels": []},
    "a label too many": {"image_id": "IMAGE", "verdict": "keep", "labels": ["cat"]},
    "no image": {"image_id": "f" * 64, "verdict": "drop", "labels": []},
    "a path": {"image_id": "../../etc/passwd", "verdict": "drop", "labels": []},
    "too long": b" " * (MAX_BODY_BYTES + 1),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_verdict_that_can_not_be_given_is_refused_and_nothing_is_written(what: str, browser: Browser, findings: Findings) -> None:
    body = WRONG[what]
    if isinstance(body, dict) and body["image_id"] == "IMAGE":
        body = {**body, "image_id": findings.rows[0]["image_id"]}
    status, answer, _ = browser.ask("/verdict", body)
    assert status in (400, 409, 413) and answer["error"]
    assert not findings.file.exists()


def test_other_ways_to_post_are_refused(browser: Browser, findings: Findings) -> None:
    good = verdict(findings)
    assert browser.ask("/verdict", good, Content_Type="text/plain")[0] == 415
    assert browser.ask("/verdict", good, Content_Length="-1")[0] == 413
    assert browser.ask("/overview", good)[0] == 404
    assert browser.ask("/verdict")[0] == 404
    assert browser.ask("/verdict", good, method="PUT")[0] == 501
    assert not findings.file.exists()


def test_a_file_that_can_not_be_written_is_told_on_the_page(browser: Browser, findings: Findings) -> None:
    findings.file.symlink_to("elsewhere")
    status, answer, _ = browser.ask("/verdict", verdict(findings))
    assert status == 409 and "is a link" in answer["error"]
    findings.file.unlink()
    findings.file.write_text("image_id,verdict\nx,keep\n")
    status, answer, _ = browser.ask("/overview")
    assert status == 409 and "line 2 has the image_id" in answer["error"]


def test_a_port_that_is_taken_is_named(browser: Browser, findings: Findings) -> None:
    with pytest.raises(InputError, match=f"port {browser.port} can't be used"):
        ReviewServer(findings, browser.port)


def test_several_labels_and_none_are_given_where_the_task_has_several(tmp_path: Path) -> None:
    run = make_run(tmp_path, ["0.png"], "multilabel")
    findings = Findings(run, tmp_path / "v.csv", "anna", run.findings)
    for labels in (["dog", "cat"], []):
        assert findings.judge(run.findings[0]["image_id"], "relabel", labels)["labels"] == labels


def test_thousands_of_findings_come_in_parts(tmp_path: Path) -> None:
    run = make_run(tmp_path, ["0.png"])
    rows = [{**run.findings[0], "score": float(number)} for number in range(5000)]
    findings = Findings(run, tmp_path / "v.csv", "anna", rows)
    assert findings.overview()["checks"] == [{"check": "dark", "count": 5000, "decided": 0}]
    assert [len(findings.part("dark", start, 10**9)) for start in (0, 4900, 5000)] == [200, 100, 0]
    assert findings.part("dark", 0, 1)[0]["score"] == 4999.0


def test_what_is_no_picture_is_counted_and_nothing_at_all_is_fine(tmp_path: Path) -> None:
    run = make_run(tmp_path, ["0.png"])
    rows = [{**run.findings[0], "check": "unreadable"}, {**run.findings[0], "check": "undecoded", "image_id": None}]
    overview = Findings(run, tmp_path / "v.csv", "anna", rows).overview()
    assert (overview["checks"], overview["hidden"]) == ([], {"unreadable": 1, "undecoded": 1})
    assert Findings(run, tmp_path / "v.csv", "anna", []).overview()["checks"] == []


def test_images_come_from_the_data_where_the_packed_ones_are_gone_if_they_are_still_the_same(tmp_path: Path) -> None:
    run = make_run(tmp_path, ["0.png", "1.png"])
    name = run.findings[0]["image_id"]
    run = replace(run, packed=None)
    (run.source / "0.png").write_bytes(encoded(0))
    (run.source / "1.png").write_bytes(b"another")
    assert run.image(name) == encoded(0)
    assert run.image(run.findings[1]["image_id"]) is None and run.image("f" * 64) is None


def test_verdicts_go_beside_the_data_or_where_the_settings_say(tmp_path: Path) -> None:
    run = make_run(tmp_path, ["0.png"])
    assert verdicts_file(run, {}) == run.source / "verdicts.csv"
    (tmp_path / "labels.csv").touch()
    assert verdicts_file(replace(run, source=tmp_path / "labels.csv"), {}) == tmp_path / "verdicts.csv"
    (tmp_path / "data.zip").touch()
    for source in (tmp_path / "data.zip", Path("git+https://example.org/a.git#data"), tmp_path / "gone"):
        with pytest.raises(InputError, match=r"clean\.verdicts"):
            verdicts_file(replace(run, source=source), {})
        assert verdicts_file(replace(run, source=source), {"verdicts": str(tmp_path / "v.csv")}) == tmp_path / "v.csv"
        assert verdicts_file(replace(run, source=source, verdicts=str(tmp_path / "own.csv")), {"verdicts": ""}) == tmp_path / "own.csv"


def test_what_is_proposed_is_shown_of_one_label_and_of_several(tmp_path: Path) -> None:
    for task, labels, wanted in (("binary", ["dog"], ["dog"]), ("multilabel", ["cat", "dog"], ["cat", "dog"]), ("multilabel", [], [])):
        run = make_run(tmp_path / f"{task}{len(labels)}", ["a.png", "b.png"], task=task)
        table = proposals.propose(proposals.with_columns(run.delivered.table), np.array([1]), proposals.RELABEL, [labels])
        found = Findings(replace(run, splits=replace(run.delivered, table=table)), tmp_path / "v.csv", "anna", run.findings)
        assert {row["path"]: row["proposed"] for row in found.part("dark", 0, 9)} == {"a.png": None, "b.png": wanted}
        flagged = Findings(
            replace(run, expected={"a.png": labels}), tmp_path / "v.csv", "anna", run.findings
        )  # nothing is proposed to split
        assert {row["path"]: row["proposed"] for row in flagged.part("dark", 0, 9)} == {"a.png": labels, "b.png": None}
