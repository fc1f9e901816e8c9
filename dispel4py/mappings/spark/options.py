"""The options of the mapping ``spark``."""

from __future__ import annotations

from dataclasses import dataclass

from dispel4py.errors import ParameterError
from dispel4py.files import is_file
from dispel4py.mappings import options
from dispel4py.mappings.options import option


@dataclass(frozen=True)
class SparkOptions(options.Options):
    """The options of ``spark``.

    Attributes
    ----------
    master : str, optional
        The cluster; by default that of the configuration of Spark, else this host.
    environment : str, optional
        An archive of ``venv-pack`` with the Python environment of the tasks.
    py_files : str, optional
        Python files and zip files that are sent to the tasks, with commas between them.
    barrier : bool
        All processes run at the same time, in a barrier stage.

    Raises
    ------
    ParameterError
        If a value is invalid, or a file does not exist.
    """

    master: str | None = option(
        None,
        "the cluster of Spark: local[N], spark://HOST:PORT, yarn, k8s://URL (default: "
        "the configuration of Spark, else this host)",
        "URL",
    )
    environment: str | None = option(
        None, "archive of venv-pack: the Python of the tasks of Spark", "FILE"
    )
    py_files: str | None = option(
        None, "Python files that are sent to the tasks of Spark", "FILE,..."
    )

    barrier: bool = option(
        False, "run all processes of Spark at the same time, for endless streams"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.master is not None and not _is_master(self.master):
            raise ParameterError(
                f"master={self.master!r}: use local[N], spark://HOST:PORT, yarn or "
                "k8s://URL"
            )
        files = [("py_files", path) for path in self.sent_files]
        files += [("environment", self.environment)] if self.environment else []
        for name, path in files:
            if "://" not in path and not is_file(path):
                raise ParameterError(f"{name}={path!r}: there is no such file")

    @property
    def sent_files(self) -> list[str]:
        """The paths in ``py_files``."""
        return [path for path in (self.py_files or "").split(",") if path]


def _is_master(text: str) -> bool:
    is_local = text == "local" or (text.startswith("local[") and text.endswith("]"))
    return is_local or text == "yarn" or text.startswith(("spark://", "k8s://"))
