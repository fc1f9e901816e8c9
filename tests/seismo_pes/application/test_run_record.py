"""The record of a run in its folder."""

import json
from dataclasses import dataclass

import pytest

from dispel4py.errors import DataError, ParameterError
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import option
from seismo_pes.application.run_record import (
    RUN_FILE,
    RunRecord,
    find_recorded,
    read_record,
    refuse_other_options,
    write_record,
)

FORMAT = ("test run", 1)


@dataclass(frozen=True, kw_only=True)
class Settings(Configuration):
    window_s: float = option("w", "number", "length", 60.0)
    edge: float = option("w", "number", "width of an edge", 0.5)
    bands_hz: tuple = option("w", "bands", "bands", unit="Hz")
    quiet: bool = option("w", "flag", "no progress", False)


def test_a_record_is_read_as_it_was_written(tmp_path):
    record = RunRecord.begin(Settings(bands_hz="1-2").to_dict(), ["numpy", "no-such"])
    record = record.start_again("resume", ["numpy"])
    write_record(tmp_path, *FORMAT, record, {"lags": 3})
    fields, content = read_record(tmp_path, *FORMAT)
    assert RunRecord(**fields) == record
    assert content == {"lags": 3}
    assert [session.number for session in record.sessions] == [1, 2]
    assert record.sessions[0].software["no-such"] == "not installed"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "x", "version": 1}'])
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / RUN_FILE).write_text(text)
    with pytest.raises(DataError, match=RUN_FILE):
        read_record(tmp_path, *FORMAT)


def test_the_results_of_a_recorded_run_are_those_of_that_run(tmp_path):
    def read(folder):
        return RunRecord(**read_record(folder, *FORMAT)[0])

    record = RunRecord.begin({}, [])
    configuration = {"out": str(tmp_path), "run_id": record.run_id}
    with pytest.raises(ParameterError, match="are not there any more"):
        find_recorded(configuration, read)
    write_record(tmp_path, *FORMAT, record)
    assert find_recorded(configuration, read) == (tmp_path, record)
    write_record(tmp_path, *FORMAT, RunRecord.begin({}, []))
    with pytest.raises(ParameterError, match="results of another run now"):
        find_recorded(configuration, read)


def test_only_free_options_may_differ():
    earlier = json.loads(json.dumps(Settings(bands_hz="1-2").to_dict()))
    now = Settings(bands_hz="1-2", quiet=True)
    refuse_other_options(earlier, now, {"quiet"}, "out: --resume")
    with pytest.raises(ParameterError, match=r"--resume with --window-s 30\.0, but"):
        refuse_other_options(
            earlier, Settings(bands_hz="1-2", window_s=30), {"quiet"}, "out: --resume"
        )


def test_an_option_that_got_a_default_later_does_not_differ():
    earlier = Settings().to_dict() | {"edge": None}
    refuse_other_options(earlier, Settings(), (), "out: --resume")
    with pytest.raises(ParameterError, match="with --edge"):
        refuse_other_options(earlier, Settings(edge=1), (), "out: --resume")


def test_a_removed_option_is_named():
    earlier = Settings().to_dict() | {"smooth": 3}
    with pytest.raises(ParameterError, match="with --smooth 3"):
        refuse_other_options(earlier, Settings(), (), "out: --resume")
