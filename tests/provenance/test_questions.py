"""The command `dispel4py prov`: each question has its true answer."""

import argparse
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
from records import RUN, call, product, write_run

from dispel4py.cli import main
from dispel4py.provenance import cli
from dispel4py.provenance.arguments import ARGUMENTS
from dispel4py.provenance.export import FORMATS
from dispel4py.provenance.files import digest_of_file
from dispel4py.provenance.model import Writer
from dispel4py.provenance.record_folder import with_folder

OTHER = "20260102T000000.000-bbbbbb"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs; the second with another option, and with failures and files."""
    folder = tmp_path_factory.mktemp("prov")
    write_run(folder)
    path = write_run(folder, run=OTHER, snr_scale=2.0, freqmin=0.2, ended=False)
    writer = Writer(path / "prov-7.jsonl")
    writer.write({"kind": "process", "process": 7, "instances": {"7": ["Write", 0]}})
    error = {"type": "ValueError", "message": "a gap", "traceback": "Traceback ..."}
    for n in range(3):
        writer.write(
            {
                **call(7, n, ["input", f"1.1.2.{n}"], []),
                "outcome": "skipped",
                "error": error,
            }
        )
    for n in range(2):
        target = folder / f"{n}.dat"
        target.write_bytes(b"data" * (n + 1))
        written = product(f"7.-1.-1.{n}", {"n": n}, location=str(target))
        written |= {
            "sha256": digest_of_file(str(target)),
            "size": target.stat().st_size,
        }
        writer.write(call(7, 10 + n, ["input", f"1.1.2.{n + 3}"], [written]))
    return folder


@pytest.fixture
def ask(folder, capsys):
    def ask(*words, status=0):
        words = ["prov", *words, "--provenance", str(folder), "--json"]
        assert main(words) == status
        return json.loads(capsys.readouterr().out)

    return ask


def test_runs(ask):
    newest, oldest = ask("runs")
    assert (oldest["id"], oldest["outcome"], oldest["n_failures"]) == (
        RUN,
        "complete",
        0,
    )
    assert (newest["id"], newest["n_products"]) == (OTHER, 18)
    assert newest["n_failures"] == 3
    assert newest["outcome"] in ("running", "killed")


def test_show(ask):
    run = ask("show", "20260101")
    assert [pe["pe"] for pe in run["pes"]] == ["Read", "Filter", "Correlate", "Stack"]
    assert [pe["n_calls"] for pe in run["pes"]] == [6, 6, 6, 4]
    assert run["configuration"] == {"filter": {"freqmin": 0.1}}
    shown = ask("show", f"{RUN}/Correlate/0/1/output/0")
    assert [parent["pe"] for parent in shown["parents"]] == ["Filter", "Filter"]


def test_lineage_both_ways(ask):
    up = ask("ancestors", f"{RUN}/Stack/0/3/output/0")
    assert len(up["products"]) == 16
    assert {file["path"] for file in up["files"]} == {
        f"/data/{station}.{day}.mseed" for station in ("FMP", "CIA") for day in range(3)
    }
    down = ask("descendants", "/data/CIA.0.mseed")
    ids = {p["id"].split("/", 1)[1] for p in down["products"] if p["run"] == RUN}
    assert ids == {
        "Read/0/1/output/0",
        "Filter/0/1/output/0",
        "Correlate/0/1/output/0",
        "Stack/0/3/output/0",
    }


def test_errors_are_grouped(ask):
    groups = ask("errors")
    assert [(g["error"], g["pe"], g["station"], g["n"]) for g in groups] == [
        ("ValueError", "Write", "FMP", 2),
        ("ValueError", "Write", "CIA", 1),
    ]
    assert ask("errors", "20260101") == []


def test_terms(ask):
    terms = {term["name"]: term for term in ask("terms", OTHER)}
    assert terms["station"]["values"] == ["CIA", "FMP"]
    assert (terms["snr"]["smallest"], terms["snr"]["largest"]) == (2.0, 12.0)


def test_differences(ask):
    found = ask("diff", RUN, OTHER)
    assert found["configuration"] == {"filter.freqmin": [0.1, 0.2]}
    assert found["first_pe"] == "Filter"
    assert found["products"]["Read"]["only_first"] == 0
    same = ask("diff", RUN, RUN)
    assert same["first_pe"] is None
    assert not same["configuration"]


def test_check_download_and_purge(ask, folder, tmp_path):
    mine = f"run.id = '{OTHER}' and pe.id = 'Write'"
    states = {f["path"]: f["state"] for f in ask("check", mine)["files"]}
    assert set(states.values()) == {"unchanged"}
    archive = tmp_path / "all.zip"
    assert len(ask("download", mine, "-o", str(archive))["files"]) == 2
    with zipfile.ZipFile(archive) as file:
        assert sorted(file.namelist()) == ["0.dat", "1.dat"]
    script = tmp_path / "all.sh"
    ask("download", mine, "-o", str(script))
    assert os.system(f"cd {tmp_path} && sh {script}") == 0
    assert (tmp_path / "1.dat").read_bytes() == b"datadata"

    (folder / "0.dat").write_bytes(b"changed")
    assert not ask("check", mine, status=1)["passed"]
    assert ask("purge", "n = 1", "--dry-run")["bytes"] == 8
    assert (folder / "1.dat").exists()
    assert ask("purge", "n = 1")["files"] == [str(folder / "1.dat")]
    assert not (folder / "1.dat").exists()
    states = {
        Path(f["path"]).name: f["state"] for f in ask("check", mine, status=1)["files"]
    }
    assert states == {"0.dat": "changed", "1.dat": "purged"}
    (kept,) = ask("search", "n = 1")["products"]
    assert kept["purged"]
    assert len(ask("ancestors", kept["id"])["products"]) == 3


def test_marks_are_kept_without_the_database(ask, folder):
    name = f"{RUN}/Stack/0/3/output/0"
    ask("mark", name, "bad", "--note", "noisy")
    assert ask("mark", name, "good", "--note", "it's fine")["mark"] == "good"
    (folder / "provenance.db").unlink()
    (found,) = ask("search", "product.mark = 'good' and product.note ~ '*fine'")[
        "products"
    ]
    assert (found["id"], found["note"]) == (name, "it's fine")
    for text in (
        "product.mark = 'bad'",
        f"not has(product.mark) and n_days = 3 and run.id = '{RUN}'",
    ):
        assert ask("search", text)["products"] == []


def test_a_mark_that_a_full_disk_cuts_is_an_error(ask, folder, capsys):
    path = folder / RUN / "prov-remarks.jsonl"
    name = f"{RUN}/Stack/0/3/output/0"
    ask("mark", name, "bad", "--note", "x" * 100_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, hard))
    try:
        words = ["prov", "mark", name, "good", "--provenance", str(folder)]
        assert main(words) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line
    ask("mark", name, "good")
    assert name in str(ask("search", "product.mark = 'good'")["products"])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["search", "snr >"], "character 6"),
        (["show", "2099"], "no run"),
        (["ancestors", "x"], "no product"),
        (["search", "run.x = 1 and product.x = 1"], "product.x"),
        (["mark", "x", "fine"], "invalid choice"),
        (["diff", "20260101", "2026"], "several runs"),
    ],
)
def test_mistakes_are_one_line(words, reason, folder, capsys):
    assert main(["prov", *words, "--provenance", str(folder)]) == 2
    message = capsys.readouterr().err
    assert reason in message
    assert message.count("\n") == 1


def test_a_folder_that_does_not_exist(tmp_path, capsys):
    assert main(["prov", "runs", "--provenance", str(tmp_path / "none")]) == 2
    message = capsys.readouterr().err
    assert f"there is no folder {tmp_path / 'none'}: " in message
    assert "--provenance DIR" in message
    assert not (tmp_path / "none").exists()


def test_a_folder_without_records_is_refused_and_stays_empty(tmp_path, capsys):
    assert main(["prov", "runs", "--provenance", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert f"no records of runs are in {tmp_path}: " in message
    assert "--provenance DIR" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["runs"], ["errors"], ["errors", RUN], ["runs", "--json"]]
)
def test_the_folder_may_be_the_last_word(words, folder, capsys):
    assert main(["prov", *words, "--provenance", str(folder)]) == 0
    expected = capsys.readouterr().out
    assert main(["prov", *words, str(folder)]) == 0
    assert capsys.readouterr().out == expected


def test_the_value_of_an_option_is_not_the_folder(folder):
    words = ["export", RUN, "-o", str(folder)]
    assert with_folder(words) == words


@pytest.mark.parametrize(
    "words",
    [
        ["runs"],
        ["show", RUN],
        ["show", f"{RUN}/Stack/0/3/output/0"],
        ["search", "snr > 3", "--limit", "2"],
        ["ancestors", f"{RUN}/Stack/0/3/output/0"],
        ["errors"],
        ["terms"],
        ["diff", RUN, OTHER],
    ],
)
def test_answers_are_texts_without_json(words, folder, capsys):
    assert main(["prov", *words, "--provenance", str(folder)]) == 0
    text = capsys.readouterr().out
    assert text.strip()
    assert "{" not in text


def test_every_question_and_option_is_documented():
    page = Path(__file__).parents[2] / "docs" / "provenance.md"
    text = page.read_text(encoding="utf-8")
    for question, (_, arguments, _) in cli.QUESTIONS.items():
        assert f"| `{question}" in text, question
        for argument in arguments:
            parser = argparse.ArgumentParser(add_help=False)
            ARGUMENTS[argument](parser)
            option = re.search(r"\[(--?[\w-]+)", parser.format_usage())
            assert option is None or option[1] in text, argument
    assert all(f"| `{name}` |" in text for name in FORMATS)


def test_a_search_without_results_names_terms_that_no_product_has(folder, capsys):
    def answer(condition):
        words = ["prov", "search", condition, "--provenance", str(folder)]
        assert main(words) == 0
        return capsys.readouterr().out.strip()

    hint = "no products: none has snrr, statio (see `dispel4py prov terms`)"
    assert answer("snrr > 5 or ancestor(statio = 'FMP') and snr > 3") == hint
    assert (
        answer("snr > 1e9 and pe.name = 'x' and has(product.sha256)") == "no products"
    )


def test_a_file_may_be_named_from_the_current_folder(folder, monkeypatch, capsys):
    monkeypatch.chdir("/")

    def products(question, path):
        words = ["prov", question, path, "--provenance", str(folder), "--json"]
        assert main(words) == 0
        answer = json.loads(capsys.readouterr().out)
        return answer["products"] if "products" in answer else answer["id"]

    for question, path in [
        ("descendants", "data/CIA.2.mseed"),
        ("ancestors", "out/2.h5"),
        ("show", "./out/2.h5"),
    ]:
        assert products(question, path) == products(question, f"/{path.lstrip('./')}")
    words = ["prov", "show", "/etc/passwd", "--provenance", str(folder)]
    assert main(words) == 2
    assert "no product was written to the file" in capsys.readouterr().err


def test_the_folder_of_ingest_has_a_default_and_is_given_once(
    folder, tmp_path, monkeypatch, capsys
):
    shutil.copytree(folder, tmp_path / "provenance")
    monkeypatch.chdir(tmp_path)
    for words in ([], ["provenance"], ["--provenance", "provenance"]):
        (tmp_path / "provenance" / "provenance.db").unlink(missing_ok=True)
        assert main(["prov", "ingest", "--json", *words]) == 0
        assert json.loads(capsys.readouterr().out)["n_runs"] == 2
    assert main(["prov", "ingest", "a", "--provenance", "b"]) == 2
    assert "give the folder once" in capsys.readouterr().err


def test_a_product_of_the_first_example_is_made_again(tmp_path, monkeypatch, capsys):
    """The source counts, so its earlier calls are needed."""
    monkeypatch.chdir(tmp_path)
    words = ["simple", "dispel4py.examples.squares", "-i", "5", "--quiet"]
    words += ["--provenance", "provenance"]
    monkeypatch.setattr("sys.argv", ["dispel4py", *words])  # recorded for `rerun`
    assert main(words) == 0
    assert main(["prov", "search", "value = 25", "--json"]) == 0
    found = capsys.readouterr().out.partition("{")
    (product,) = json.loads("".join(found[1:]))["products"]
    assert main(["prov", "rerun", product["id"]]) == 0
    assert "is equal to its record" in capsys.readouterr().out


@pytest.mark.parametrize("words", ["--limit 0", "--limit -1", "--offset 1e3"])
def test_pages_have_a_size(words, folder, capsys):
    words = ["search", "has(snr)", *words.split(), "--provenance", str(folder)]
    assert main(["prov", *words]) == 2
    assert "use a number from" in capsys.readouterr().err


def test_the_store_may_be_on_a_server(postgresql, folder, capsys):
    words = ["--provenance", str(folder), "--db", postgresql(), "--json"]
    for _ in range(2):
        assert main(["prov", "search", "peak = 1.5", *words]) == 0
        found = json.loads(capsys.readouterr().out)["products"]
        assert {product["run"] for product in found} == {RUN, OTHER}


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("{}/no/such/folder/x.db", "unable to open"),
        ("{}/20260101T000000.000-aaaaaa/prov-0.jsonl", "not a database"),
        ("mysql://server/x", "use a file"),
        ("postgresql://nobody@127.0.0.1:1/x", "no connection"),
    ],
)
def test_a_store_that_cannot_be_opened(place, reason, folder, capsys):
    if place.startswith("postgresql"):
        pytest.importorskip("psycopg", reason="psycopg is not installed")
    words = ["--provenance", str(folder), "--db", place.format(folder)]
    assert main(["prov", "runs", *words]) == 2
    message = capsys.readouterr().err
    assert reason in message
    assert message.count("\n") == 1


def test_a_damaged_store_is_one_line(tmp_path, capsys):
    write_run(tmp_path)
    words = ["--provenance", str(tmp_path)]
    assert main(["prov", "runs", *words]) == 0
    content = bytearray((tmp_path / "provenance.db").read_bytes())
    content[8192:40960] = b"x" * (40960 - 8192)
    (tmp_path / "provenance.db").write_bytes(content)
    capsys.readouterr()
    assert main(["prov", "terms", *words]) in (1, 2)
    assert capsys.readouterr().err.count("\n") == 1


def test_a_run_whose_process_has_ended_was_killed(tmp_path, capsys):
    """The number of a process says nothing: it stays in a list, or is given again."""
    began = {"kind": "run", "host": socket.gethostname()}
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        cases = [
            ("1-mine", os.getpid(), time.time(), "running"),
            ("2-later", os.getpid(), 1e9, "killed"),  # this process began later
            ("3-ended", ended.pid, time.time(), "killed"),  # not waited for yet
        ]
        for name, pid, moment, _ in cases:
            writer = Writer(tmp_path / name / "prov-run.jsonl")
            writer.write({**began, "run": name, "pid": pid, "began": moment})
        assert main(["prov", "runs", "--provenance", str(tmp_path), "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)
    assert [run["outcome"] for run in runs[::-1]] == [case[-1] for case in cases]
