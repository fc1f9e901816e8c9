"""The page of a live run, its health endpoint, and its alerts."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from seismo_pes.application.files import write_checked
from seismo_pes.items.live import ChannelHealth, Percentiles
from xcorr_app.live.alerts import Alerts
from xcorr_app.live.session import run_live
from xcorr_app.live.source import ReplayInput
from xcorr_app.live.status import STATUS, read_status
from xcorr_app.live.viewing.page import open_page
from xcorr_app.live.viewing.view import RunView, health

PATIENCE_S = 60


@pytest.fixture(scope="module")
def out(archive, config, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shown") / "out"
    run_live(config(folder), ReplayInput(str(archive)), 600.0, Alerts())
    return folder


@pytest.fixture
def url(out):
    page = open_page("127.0.0.1:0", RunView(out))
    thread = threading.Thread(target=page.serve_forever, daemon=True)
    thread.start()
    yield page.url
    page.shutdown()
    page.server_close()
    thread.join()


def get(url: str):
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        return answer.headers, answer.read()


def test_what_the_server_answers(url, out):
    headers, page = get(url)
    assert b"http://" not in page
    assert b"https://" not in page
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    status = json.loads(get(url + "status.json")[1])
    assert status["shown"][0] == "XX.AAA..HHZ - XX.BBB..HHZ"
    assert status["stations"][0] == ["XX.AAA", 1.0, 2.0]
    pair = json.loads(get(url + "pair.json?k=1")[1])
    assert pair["days"] == ["2024-03-01", "2024-03-02"]
    assert len(pair["rows"]) == len(pair["dvv"]) == 2
    assert pair["n_windows"] == 16
    largest = max(range(len(pair["stacked"])), key=pair["stacked"].__getitem__)
    assert largest / 4 - 30 == pytest.approx(-34 / 4)  # samples between AAA and CCC
    assert json.loads(get(url + "pair.json?k=99")[1]) == {}
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(url + "../../etc/passwd")


def test_the_health_endpoint(url, out):
    assert json.loads(get(url + "health")[1]) == {"is_well": True, "state": "ended"}
    path = out / "live" / STATUS
    text = path.read_text()
    old = read_status(path.parent) | {"is_over": False}
    try:
        write_checked(path, old | {"written_at": time.time() - 1000})
        with pytest.raises(urllib.error.HTTPError, match="503"):
            get(url + "health")
    finally:
        path.write_text(text)
    assert health({}) == (False, "not started")


def test_the_page_in_a_browser(url, tmp_path):
    """No error, nothing from outside, and every drawing has ink."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = Path("/usr/bin/chromium")
    if not chromium.exists():
        pytest.skip("no chromium: make test installs it as root")
    with playwright.sync_playwright() as starter:
        browser = starter.chromium.launch(
            executable_path=str(chromium), args=["--no-sandbox"]
        )
        page = browser.new_page()
        errors: list[str] = []
        asked: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: m.type == "error" and errors.append(m.text))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        page.wait_for_selector("#channels td", timeout=1000 * PATIENCE_S)
        for name in ("waves", "last", "stacked", "days", "dvv", "map"):
            page.wait_for_function(
                """name => { const c = document.getElementById(name);
                const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
                return c.width > 100 && d.some(x => x > 0); }""",
                arg=name,
            )
        # two days fill the height of their panel, above the labels of lags
        is_full = """() => { const c = document.getElementById('days');
        const y = c.height * (1 - 30 / c.clientHeight);
        return c.getContext('2d').getImageData(c.width / 2 + 7, y, 1, 1).data[3]; }"""
        assert page.evaluate(is_full) == 255
        page.select_option("#pair", "1")
        page.wait_for_function(  # the other pair has 14
            "() => document.getElementById('count').innerText.startsWith('16 windows')",
            timeout=1000 * PATIENCE_S,
        )
        assert page.inner_text("#state") == "ended"
        rows = page.locator("#channels tr").count()
        browser.close()
    assert rows == 1 + 3
    assert errors == []
    assert all(x.startswith((url, "data:")) for x in asked)


@contextlib.contextmanager
def webhook():
    received = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            n = int(self.headers["Content-Length"])
            received.append(json.loads(self.rfile.read(n)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", received
    server.shutdown()
    server.server_close()
    thread.join()


def test_alerts_begin_and_end_once(tmp_path):
    written = tmp_path / "alerts"
    with webhook() as (url, received):
        condition = "snr < 3 or latency_s > 60"
        alerts = Alerts((condition,), f"sh -c 'cat >> {written}'", url)
        channel = ("XX.A..HHZ", {"latency_s": 70.0})
        for subjects in (
            [("a - b", {"snr": 5.0})],
            [("a - b", {"snr": 2.0}), channel],
            [("a - b", {"snr": 2.5}), channel],
            [("a - b", {"snr": 4.0}), channel],
        ):
            alerts.look(subjects)
        alerts.close(PATIENCE_S)
    states = [(a["of"], a["state"], a["condition"]) for a in received]
    assert states == [
        ("a - b", "begins", condition),
        ("XX.A..HHZ", "begins", condition),
        ("a - b", "ends", condition),
    ]
    assert written.read_text().count('"state"') == 3
    assert [a["of"] for a in alerts.active] == ["XX.A..HHZ"]


def test_an_alert_that_cannot_be_delivered_is_logged(caplog):
    alerts = Alerts(("snr < 3",), "/no/such/command", "http://127.0.0.1:1/")
    alerts.look([("a - b", {"snr": 2.0})])
    alerts.close(PATIENCE_S)
    assert caplog.text.count("alert not delivered") == 2


def test_alerts_of_a_run(archive, config, tmp_path):
    out = tmp_path / "out"
    alerts = Alerts(("gap_s > 500", "snr < 0"))
    run_live(config(out), ReplayInput(str(archive)), 600.0, alerts)
    journal = (out / "live" / "journal.log").read_text()
    assert journal.count("alert begins: XX.BBB..HHZ: gap_s > 500") == 1
    assert "snr < 0" not in journal
    status = read_status(out / "live")
    assert [a["of"] for a in status["alerts"]] == ["XX.BBB..HHZ"]


def test_pairs_have_their_terms_at_a_restart(archive, config, out):
    """Else an alert on the signal-to-noise ratio would end until the next window."""
    from seismo_pes.signal.window import WindowGrid
    from xcorr_app.live.status import Reporter

    before = read_status(out / "live")
    pairs = [(0, 1, before["shown"][0]), (0, 2, before["shown"][1])]
    pairs.append((1, 2, before["shown"][2]))
    alerts = Alerts(("n_windows > 0",))
    reporter = Reporter(str(out / "live"), pairs, 4.0, (1.0, 2.0), alerts)
    status = (out / "live" / STATUS).read_bytes()
    try:
        reporter.begin(WindowGrid(0, 10**9, 10**9))
        assert read_status(out / "live")["pairs"] == before["pairs"]
        reporter.end()
    finally:
        (out / "live" / STATUS).write_bytes(status)


def test_counts_of_health_are_added_up(tmp_path):
    from seismo_pes.signal.window import WindowGrid
    from xcorr_app.live.status import Reporter

    reporter = Reporter(str(tmp_path), [], 1.0, (1.0, 2.0), Alerts())
    reporter.begin(WindowGrid(0, 10**9, 10**9))
    delays = Percentiles(1.0, 2.0, 3.0)
    for _ in range(2):
        reporter.take_health(
            ChannelHealth("X", 0, delays, delays, 4.0, 5.0, 7, n_gaps=1, gap_s=2.5)
        )
    terms = reporter._health["X"]
    assert (terms["records"], terms["gaps"], terms["gap_s"]) == (14, 2, 5.0)
    assert (terms["new_gaps"], terms["data_latency_p95_s"], terms["rms"]) == (1, 2, 4)
    reporter.take_health(ChannelHealth("X", 0, None, None, None, None, 0))
    assert reporter._health["X"]["rms"] == 4  # of the last minute with data
    assert reporter._health["X"]["data_latency_p95_s"] is None
    reporter.stack_latency(float("nan"))  # JSON has none
    reporter.end()
    assert read_status(tmp_path)["stack_latency_s"]["p50"] is None
