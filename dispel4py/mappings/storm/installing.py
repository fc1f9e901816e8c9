"""The installation of Storm from Maven Central.

Maven Central has no complete Storm, but the parts that daemons and workers need.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dispel4py.errors import MappingUnavailable
from dispel4py.files import exists

#: The newest version on Maven Central whose parts are all there.
VERSION = "2.8.3"
#: Folder to the artifacts whose jars, with all that they need, are put into it. The
#: folder `lib` is for daemons, `lib-worker` for workers.
_FOLDERS = {"lib": ("storm-core", "storm-server"), "lib-worker": ("storm-client",)}
#: Left out: it needs a jar that is not on Maven Central, and only old clients use it.
_NOT_NEEDED = "storm-clojure"
#: Seconds for the download of 100 jars, 210 MB.
_DOWNLOAD_S = 1800

_PROJECT = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
 <modelVersion>4.0.0</modelVersion>
 <groupId>dispel4py</groupId><artifactId>storm-home</artifactId><version>1</version>
 <dependencies>{dependencies}</dependencies>
</project>
"""
_DEPENDENCY = """
  <dependency>
   <groupId>org.apache.storm</groupId>
   <artifactId>{artifact}</artifactId><version>{version}</version>
   <exclusions><exclusion>
    <groupId>org.apache.storm</groupId><artifactId>{absent}</artifactId>
   </exclusion></exclusions>
  </dependency>
"""


def project(artifacts: Sequence[str]) -> str:
    """Return the description of a project of Maven that needs parts of Storm.

    Parameters
    ----------
    artifacts : sequence of str
        Names of the parts.
    """
    dependencies = [
        _DEPENDENCY.format(artifact=name, version=VERSION, absent=_NOT_NEEDED)
        for name in artifacts
    ]
    return _PROJECT.format(dependencies="".join(dependencies))


def install(home: Path) -> None:
    """Install Storm in a folder.

    Parameters
    ----------
    home : Path
        The folder; it is made if it does not exist.

    Raises
    ------
    MappingUnavailable
        If there is no Maven, or it fails.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise MappingUnavailable(
            "the installation of Storm needs Maven: apt-get install maven"
        )
    for folder, artifacts in _FOLDERS.items():
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary, "pom.xml")
            path.write_text(project(artifacts))
            target = (home / folder).resolve()
            words = [
                *(maven, "-B", "-q", "-f", str(path)),
                *("dependency:copy-dependencies", "-DincludeScope=runtime"),
                f"-DoutputDirectory={target}",
            ]
            done = subprocess.run(
                words,
                capture_output=True,
                text=True,
                timeout=_DOWNLOAD_S,
                check=False,
            )
        if done.returncode or not exists(target / f"storm-client-{VERSION}.jar"):
            errors = [x for x in done.stdout.splitlines() if "[ERROR]" in x]
            reason = (errors or [done.stderr.strip() or "no jars"])[0]
            raise MappingUnavailable(f"Maven cannot install Storm: {reason}")
