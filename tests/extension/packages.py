"""Packages as an installer leaves them: the sample, really built and installed, and small ones with one fault each."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

SAMPLE = Path(__file__).parent / "evergreen-gym"
ROOT = Path(__file__).parents[2]
PIP = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--no-cache-dir")
"""How pip installs without a network, by the build backend that is here; for Python's command line."""


def installed(source: Path, site: Path) -> Path:
    """Build a project's wheel by its own build backend, without a network, and install it into a folder."""
    subprocess.run([sys.executable, *PIP, "--target", str(site), str(source)], check=True, timeout=120)
    return site


def laid_out(site: Path, package: str, parts: Mapping[str, str], modules: Mapping[str, str]) -> Path:
    """The files of an installed package; `parts` has for a group of entry points the module that it names."""
    about = site / f"{package.replace('-', '_')}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    points = [f"[lifecircle.{group}]\nmine = {module}\n" for group, module in parts.items()]
    (about / "entry_points.txt").write_text("\n".join(points))
    for name, source in modules.items():
        (site / f"{name}.py").write_text(dedent(source))
    return site


def on_path(*sites: Path) -> dict[str, str]:
    """An environment in which folders of packages are installed, and this checkout."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*sites, ROOT)))}
