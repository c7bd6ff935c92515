"""Where the files that are not Python are: R scripts and fixtures.

An installed package carries them in ``harness/_data``; in a checkout they lie beside the package,
where an R user finds them without knowing Python.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def _folder(name: str) -> Path:
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"{name} is neither in {_PACKAGE / '_data'} nor in {_PACKAGE.parent}")


def r_script(name: str) -> Path:
    """Return the path of an R script, ``r_script("fit_lmer.R")``.

    Raises
    ------
    FileNotFoundError
        When there is no such script.
    """
    return _existing(_folder("r_scripts") / name)


def r_scripts() -> tuple[Path, ...]:
    """Return the paths of all R scripts."""
    return tuple(sorted(_folder("r_scripts").glob("*.R")))


def fixture(*parts: str) -> Path:
    """Return the path of a fixture, ``fixture("data", "sleepstudy.csv")``.

    Raises
    ------
    FileNotFoundError
        When there is no such file or folder.
    """
    return _existing(_folder("fixtures").joinpath(*parts))


def _existing(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(path)
    return path
