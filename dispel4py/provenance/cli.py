"""The command ``dispel4py prov``: questions about runs that recorded provenance."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dispel4py.errors import DataError, ParameterError
from dispel4py.files import is_file, is_folder
from dispel4py.provenance import listing, questions
from dispel4py.provenance.arguments import ARGUMENTS
from dispel4py.provenance.comparison import compare
from dispel4py.provenance.conditions import ANCESTOR, DESCENDANT
from dispel4py.provenance.export import export
from dispel4py.provenance.files import whole_file
from dispel4py.provenance.ingest import Ingested, ingest
from dispel4py.provenance.lineage import lineage, relatives
from dispel4py.provenance.preview import draw_preview
from dispel4py.provenance.product_files import check_files, download
from dispel4py.provenance.products import (
    file_numbers,
    find_product,
    find_run,
    get_products,
    load_json,
)
from dispel4py.provenance.record_folder import check_folder
from dispel4py.provenance.recorded_workflow import RecordedRun
from dispel4py.provenance.remarks import mark, purge
from dispel4py.provenance.replay import product_content, rerun_failed
from dispel4py.provenance.report import analyse, report_page
from dispel4py.provenance.search import matching, missing_terms, search
from dispel4py.provenance.store import Store, open_store

ABOUT = """\
Ask where products come from. The records are in the folder that a run got by
--provenance; what is new in it is read first. A product has the id
run/pe/instance/call/port/k, a run can be named by the beginning of its id or as
'last', and a condition is for example: snr > 5 and station in ('FMP', 'CIA').
"""

_WAY_OUT = "--db FILE puts it into another place, and a deleted store is made again"
#: The folder that is asked if none is given.
DEFAULT_FOLDER = "provenance"
Answer = tuple[Any, str]
Reload = Callable[[dict[str, Any], Path], RecordedRun]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the questions and their options.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of the command ``dispel4py prov``.
    """
    commands = parser.add_subparsers(dest="question", metavar="QUESTION", required=True)
    for name, (about, arguments, _) in QUESTIONS.items():
        sub = commands.add_parser(
            name, help=about, description=f"{about}.", allow_abbrev=False
        )
        for argument in arguments:
            ARGUMENTS[argument](sub)
        sub.add_argument(
            "--provenance",
            metavar="DIR",
            help=f"the folder with the records (default: {DEFAULT_FOLDER})",
        )
        sub.add_argument(
            "--db",
            metavar="DATABASE",
            help="where the store is: a file, or postgresql://... (default: a file in "
            "the folder)",
        )
        sub.add_argument("--json", action="store_true", help="print JSON")


def run_command(arguments: argparse.Namespace, reload: Reload) -> int:
    """Answer a question; return the exit status.

    Parameters
    ----------
    arguments : argparse.Namespace
        From the parser of `add_options`.
    reload : callable
        Returns what is needed to make products of a run again, from its record and a
        folder for files.

    Raises
    ------
    DataError
        If the store cannot be read or written.
    """
    arguments.reload = reload
    is_ingest = arguments.question == "ingest"
    folder = arguments.provenance
    if is_ingest and arguments.dir is not None:
        if folder is not None:
            raise ParameterError("give the folder once: DIR or --provenance DIR")
        folder = arguments.dir
    if folder is None and (is_ingest or not arguments.db):
        folder = DEFAULT_FOLDER
    if folder is not None:
        check_folder(folder)
    store = open_store(folder, arguments.db)
    if sys.stderr.isatty():
        store.tell = lambda text: print(text, file=sys.stderr)
    unread: list[str] = []
    try:
        if folder is not None:
            arguments.ingested = ingest(store, folder)
            unread = arguments.ingested.unread
        answer, text = QUESTIONS[arguments.question][2](store, arguments)
    except store.database.errors as error:
        reason = " ".join(str(error).split())
        raise DataError(f"the store of provenance: {reason}; {_WAY_OUT}") from error
    finally:
        store.close()
    if arguments.json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    elif text:
        print(text)
    for place in unread:
        print(f"dispel4py: records that could not be read: {place}", file=sys.stderr)
    is_bad = isinstance(answer, dict) and answer.get("passed") is False
    return 1 if is_bad else 3 if unread else 0


# -------------------------------------------------------------------- answers


def _ingest(store: Store, arguments: Any) -> Answer:
    done: Ingested = arguments.ingested
    cut = f", {done.n_cut} could not be read" if done.n_cut else ""
    text = f"{done.n_records} new records of {done.n_runs} runs{cut}"
    return done._asdict(), text


def _runs(store: Store, arguments: Any) -> Answer:
    runs = questions.list_runs(store)
    return runs, listing.runs(runs)


def _show(store: Store, arguments: Any) -> Answer:
    if "/" in arguments.id:
        n = find_product(store, arguments.id)
        known = lineage(store, [n, *_parents(store, n)])
        product = {**known.products[0], "parents": known.products[1:]}
        product["files"] = [f for i, f in known.files if i == product["id"]]
        product["lost"] = [text for i, text in known.lost if i == product["id"]]
        return product, listing.product(product)
    run = questions.describe_run(store, find_run(store, arguments.id))
    return run, listing.run(run)


def _parents(store: Store, n: int) -> list[int]:
    return [parent for parent, _ in relatives(store, ANCESTOR, [n], deepest=1)]


def _search(store: Store, arguments: Any) -> Answer:
    page = search(
        store, arguments.condition, arguments.limit, arguments.offset, arguments.sort
    )
    text = listing.products(page.products)
    if not page.products:
        names = ", ".join(missing_terms(store, arguments.condition))
        text += f": none has {names} (see `dispel4py prov terms`)" if names else ""
    if page.next is not None:
        text += f"\nthere are more: --offset {page.next}"
    return page._asdict(), text


def _relatives(kind: str) -> Callable[[Store, Any], Answer]:
    def answer(store: Store, arguments: Any) -> Answer:
        numbers = _starts(store, arguments.id)
        levels = dict(relatives(store, kind, numbers, arguments.depth))
        known = lineage(store, [*numbers, *(n for n in levels if n not in numbers)])
        result = {
            "products": known.products,
            "derivations": known.derivations,
            "inputs": known.inputs,
            "files": [{"product": i, **file} for i, file in known.files],
            "lost": [{"product": i, "parent": text} for i, text in known.lost],
        }
        return result, listing.lineage(result, len(numbers))

    return answer


def _starts(store: Store, text: str) -> list[int]:
    """Return a product, or the products that were read from a file."""
    files = file_numbers(store, text)
    if not files:
        return [find_product(store, text)]
    marks = ", ".join("?" * len(files))
    sql = f"SELECT DISTINCT product FROM reading WHERE file IN ({marks})"
    return [n for (n,) in store.rows(sql, files)]


def _errors(store: Store, arguments: Any) -> Answer:
    run = None if arguments.run is None else find_run(store, arguments.run)
    groups = questions.errors(store, run)
    return groups, listing.errors(groups)


def _terms(store: Store, arguments: Any) -> Answer:
    run = None if arguments.run is None else find_run(store, arguments.run)
    terms = questions.terms(store, run)
    return terms, listing.terms(terms)


def _diff(store: Store, arguments: Any) -> Answer:
    found = questions.differences(store, *arguments.runs)
    return found, listing.differences(found)


def _check(store: Store, arguments: Any) -> Answer:
    text = arguments.condition or "has(product.location)"
    files = check_files(get_products(store, matching(store, text)))
    wrong = [f for f in files if f["state"] in ("changed", "missing", "unreadable")]
    return {"passed": not wrong, "files": files}, listing.checked(files)


def _mark(store: Store, arguments: Any) -> Answer:
    n = find_product(store, arguments.id)
    product = mark(store, n, arguments.verdict, arguments.note)
    return product, f"{product['id']} is marked as {product['mark']}"


def _purge(store: Store, arguments: Any) -> Answer:
    numbers = matching(store, arguments.condition)
    found = purge(store, numbers, arguments.dry_run)
    return found, listing.purged(found, arguments.dry_run)


def _download(store: Store, arguments: Any) -> Answer:
    if arguments.output is None:
        raise ParameterError("download needs -o FILE.zip or -o FILE.sh")
    products = get_products(store, matching(store, arguments.condition))
    done = download(products, Path(arguments.output))
    for path in done["missing"]:
        print(f"missing: {path}", file=sys.stderr)
    return done, f"{len(done['files'])} files in {done['target']}"


def _report(store: Store, arguments: Any) -> Answer:
    run = analyse(store, find_run(store, arguments.run))
    if arguments.output is None:
        if arguments.json:
            return run, ""
        raise ParameterError("report needs -o FILE.html, or --json")
    with whole_file(arguments.output) as path:
        path.write_text(report_page(run), encoding="utf-8")
    return run, f"written to {arguments.output}"


def _rerun(store: Store, arguments: Any) -> Answer:
    is_run = "/" not in arguments.id
    if is_run != arguments.failed:
        raise ParameterError("rerun needs a product, or a run and --failed")
    if is_run:
        n = find_run(store, arguments.id)
        with _reloaded(store, n, arguments) as run:
            calls = rerun_failed(store, n, run)
        passed = not any(call["failed"] for call in calls)
        return {"passed": passed, "calls": calls}, listing.failed_again(calls)
    n = find_product(store, arguments.id)
    with _reloaded(store, _run_of(store, n), arguments) as run:
        made = compare(store, n, run)
    return {"passed": made["equal"], **made}, listing.made_again(made)


def _run_of(store: Store, product: int) -> int:
    sql = "SELECT run FROM product JOIN instance ON instance.n = product.instance "
    return int(store.value(f"{sql} WHERE product.n = ?", [product]))


def _record(store: Store, run: int) -> dict[str, Any]:
    """Return the record of a run."""
    document = load_json(store.value("SELECT document FROM run WHERE n = ?", [run]))
    return document or {}


@contextlib.contextmanager
def _reloaded(store: Store, run: int, arguments: Any) -> Iterator[RecordedRun]:
    """Enter the folder in which a run was started; yield its graph and plan."""
    record = _record(store, run)
    folder = record.get("folder") or "."
    if not is_folder(folder):
        raise ParameterError(f"the run was started in {folder}, which is not there")
    with (
        tempfile.TemporaryDirectory(prefix="dispel4py-rerun-") as scratch,
        contextlib.chdir(folder),
    ):
        yield arguments.reload(record, Path(scratch))


def _preview(store: Store, arguments: Any) -> Answer:
    if arguments.output is None:
        raise ParameterError("preview needs -o FILE.png")
    n = find_product(store, arguments.id)
    (product,) = get_products(store, [n])
    target = Path(arguments.output).absolute()
    title = listing.title(product)
    run, location = _run_of(store, n), product.get("location")
    if location and is_file(location) and not _record(store, run).get("package"):
        draw_preview(Path(location), target, title)
    else:
        with _reloaded(store, run, arguments) as recorded:
            content = product_content(store, n, recorded)
            draw_preview(recorded.workflow.drawable(content), target, title)
    return {"id": product["id"], "target": str(target)}, f"written to {target}"


def _export(store: Store, arguments: Any) -> Answer:
    target = None if arguments.output is None else Path(arguments.output)
    done = export(store, arguments.id, arguments.format, target)
    return done, done.get("text", f"written to {target}").rstrip()


_Question = tuple[str, tuple[str, ...], Callable[[Store, Any], Answer]]
QUESTIONS: dict[str, _Question] = {
    "ingest": ("Read new records into the store", ("dir",), _ingest),
    "runs": ("List the runs", (), _runs),
    "show": ("Show a run or a product", ("run or id",), _show),
    "search": (
        "List the products that satisfy a condition",
        ("condition", "limit", "offset", "sort"),
        _search,
    ),
    "ancestors": (
        "Show what a product was derived from",
        ("id", "depth"),
        _relatives(ANCESTOR),
    ),
    "descendants": (
        "Show what was derived from a product or a file",
        ("id or file", "depth"),
        _relatives(DESCENDANT),
    ),
    "errors": (
        "List the failures by exception, PE and station",
        ("a run",),
        _errors,
    ),
    "terms": ("List the terms that can be searched", ("a run",), _terms),
    "diff": ("Show what changed between two runs", ("runs",), _diff),
    "check": (
        "Compare the files of products with their checksums",
        ("a condition",),
        _check,
    ),
    "mark": ("Mark a product as good or bad", ("id", "verdict", "note"), _mark),
    "purge": (
        "Delete the files of products and keep their lineage",
        ("condition", "dry-run"),
        _purge,
    ),
    "download": (
        "Gather the files of products in a zip archive or a script",
        ("condition", "a zip"),
        _download,
    ),
    "export": (
        "Write a run, or a product with its ancestors, in a standard format",
        ("run or id", "format", "a file"),
        _export,
    ),
    "rerun": (
        "Make a product again, or the failed calls of a run, and compare",
        ("run or id", "failed"),
        _rerun,
    ),
    "report": (
        "Write a page on where time, bytes and failures of a run went",
        ("run", "a page"),
        _report,
    ),
    "preview": (
        "Draw a product: its file, or else the item, which is made again",
        ("id", "a picture"),
        _preview,
    ),
}
