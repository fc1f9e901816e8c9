"""Progress: a bar on a terminal, a line now and then in a log."""

import pytest

from seismo_pes.application.progress import Progress, duration


class Terminal:
    """Standard error that stores the text."""

    def __init__(self, interactive=False):
        self.text = ""
        self.interactive = interactive

    def isatty(self):
        return self.interactive

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_plain_progress_is_a_line_now_and_then():
    now = [0.0]
    stream = Terminal()
    stages = {"read": 20, "write": 0}
    with Progress(stages, stream, clock=lambda: now[0]) as progress:
        for done in range(21):
            progress.update("read", done)
            now[0] += 1.1
        progress.update("correlate", 5, 10)
    lines = stream.text.splitlines()
    assert lines[0] == "read 10/20 (50 %), 0.91/s, 11 s left"
    assert len(lines) == 2
    assert progress.line().endswith("correlate 5/10 (50 %)")
    now[0] += 1000  # the rate of a finished stage does not change afterwards
    assert progress.line().startswith("read 20/20 (100 %), 0.91/s; ")


def test_progress_on_a_terminal_is_bars(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal(interactive=True)
    with Progress({"read": 20}, stream) as progress:
        assert stream.text == ""
        progress.update("read", 20)
        progress.update("correlate", 5, 10)
    assert "20/20" in stream.text
    assert "correlate" in stream.text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 0 s"), (3599.7, "1 h 0 min"), (90061, "25 h 1 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
