"""The files of products: their checksums, and copies of a selection."""

from __future__ import annotations

import os
import shlex
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dispel4py.errors import ParameterError
from dispel4py.files import exists, is_file
from dispel4py.provenance.files import digest_of_file, whole_file

__all__ = ["check_files", "download"]


def check_files(products: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Read the files of products again and compare them with the records.

    Parameters
    ----------
    products : sequence of dict
        See `dispel4py.provenance.products.get_products`.

    Returns
    -------
    list of dict
        For each file: path, products (ids), and state: ``unchanged``, ``changed``,
        ``missing``, ``unreadable``, ``purged`` or ``no checksum``.
    """
    by_path: dict[str, list[dict[str, Any]]] = {}
    for product in products:
        if product.get("location"):
            by_path.setdefault(product["location"], []).append(product)
    return [
        {
            "path": path,
            "state": _state(path, group),
            "products": [product["id"] for product in group],
        }
        for path, group in sorted(by_path.items())
    ]


def _state(path: str, products: list[dict[str, Any]]) -> str:
    known = {p["sha256"] for p in products if p.get("sha256")}
    try:
        if not exists(path):
            return "purged" if products[-1].get("purged") else "missing"
        if not known:
            return "no checksum"
        # a file that several products were added to has the checksum of the last one
        return "unchanged" if digest_of_file(path) in known else "changed"
    except OSError:
        return "unreadable"


def download(products: Sequence[dict[str, Any]], target: Path) -> dict[str, Any]:
    """Gather the files of products: in a zip archive, or as a script that copies them.

    Parameters
    ----------
    products : sequence of dict
    target : Path
        ``*.zip``, or ``*.sh`` for a script.

    Returns
    -------
    dict
        Keys: target, files, bytes, missing.

    Raises
    ------
    ParameterError
        If the name ends otherwise, or no product has a file.
    """
    paths = sorted({p["location"] for p in products if p.get("location")})
    missing = [path for path in paths if not is_file(path)]
    present = [path for path in paths if path not in set(missing)]
    if not present:
        raise ParameterError(
            f"of {len(products)} products none has a file that is still there"
        )
    common = os.path.commonpath([os.path.dirname(path) for path in present])
    names = {path: os.path.relpath(path, common) for path in present}
    if target.suffix == ".zip":
        with (
            whole_file(target) as part,
            zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            for path, name in names.items():
                archive.write(path, name)
    elif target.suffix == ".sh":
        with whole_file(target) as part:
            part.write_text(_script(names), encoding="utf-8")
        target.chmod(0o755)
    else:
        raise ParameterError(f"-o {target}: use a name that ends with .zip or .sh")
    size = sum(os.path.getsize(path) for path in present)
    return {"target": str(target), "files": present, "bytes": size, "missing": missing}


def _script(names: dict[str, str]) -> str:
    lines = [
        "#!/bin/sh",
        "# Copies the files of products: download.sh [USER@HOST:] [FOLDER]",
        'set -eu\nsource=${1-}\nfolder=${2-.}\nlast=""',
        'get() {\n  mkdir -p "$(dirname "$folder/$2")"',
        '  case $source in "") cp "$1" "$folder/$2" ;;',
        '  *) rsync -a "$source$1" "$folder/$2" ;; esac\n}',
        *(f"get {shlex.quote(path)} {shlex.quote(n)}" for path, n in names.items()),
    ]
    return "\n".join(lines).replace('\nlast=""', "") + "\n"
