"""What an engine's numbers depend on besides the case, found without running the engine.

Versions alone are not enough to tell a stored result from a stale one: an adapter is edited, a
package under development is rebuilt under the same version, a processor without AVX-512 adds in
another order. So this goes by the sources and builds as they lie on the disk.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import platform
import re
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.base.numerics import repeatable
from harness.base.resources import r_scripts
from harness.engines.engine import Engine

_PROGRAM = __name__.partition(".")[0]

_ALWAYS = ("numpy", "scipy")
"""Beneath every engine that runs in this process, whether it names them or not."""

_CPU_FLAGS = ("avx", "avx2", "fma", "avx512f", "avx512dq", "avx512_bf16", "asimd", "sve")
"""Instructions that numpy, OpenBLAS and the C library choose their code by."""

R_SCRIPTS = "r_scripts"
"""Stands for all R scripts of this program among the sources of an engine."""

_EVERYTHING = tuple(
    f"{_PROGRAM}.{part}" for part in ("base", "model", "spelling", "referee", "rbridge", "engines")
)
"""What an engine may use of this program when it does not list its sources."""


def engine_identity(engine: Engine) -> dict[str, str] | None:
    """Return what decides the numbers of an engine, by name; None when that cannot be known.

    An engine that runs outside this process, or that holds more than plain values, has a method
    ``identity`` that returns its part as ``dict[str, str]``, empty when it cannot tell by now, and
    None when it never can. Of others
    it is the distributions that ``versions`` names (with the checksums of their files), numpy and
    scipy. In both cases come the attributes of the engine that are plain values
    (``StatsmodelsEngine(method=...)``), the sources of its class and those that it lists, and the
    processor.

    None, and nothing of the engine may be stored: an ``identity`` of None; without one, an
    attribute that is not a plain value (a function, an array, another engine); a class without a
    source file; an engine that cannot say its versions.
    """
    kind = type(engine)
    own = getattr(engine, "identity", None)
    attributes = sorted(getattr(engine, "__dict__", {"": engine}).items())
    # Written down now: an engine may keep in one of them what it is asked for next.
    plain = {name: repr(value) for name, value in attributes if _plain(value)}
    if own is not None:
        told = own()
        if told is None:
            return None
        found = dict(told)
        plain = {name: value for name, value in plain.items() if not name.startswith("_")}
    elif len(plain) == len(attributes):
        found = _python_identity(engine.versions())
    else:
        return None
    # Starting the engine is the last resort.
    found = found or dict(engine.versions())
    sources = adapter_digest(kind.__module__, listed_sources(engine))
    if sources is None or not found:
        return None
    found |= {"engine": f"{kind.__module__}.{kind.__qualname__}", "sources": sources}
    package = kind.__module__.partition(".")[0]
    if package != _PROGRAM:
        # It may hold compiled code, which has no source here.
        found["package"] = _distribution(package)
    found |= {f"attribute {name}": value for name, value in plain.items()}
    return found | processor()


def listed_sources(engine: Engine) -> tuple[str, ...]:
    """Return the modules, packages and ``r_scripts`` of this program that an engine uses.

    An engine lists them in its attribute ``sources``; of one that does not it may be any.
    """
    return tuple(getattr(engine, "sources", (*_EVERYTHING, R_SCRIPTS)))


def fingerprint(identity: Mapping[str, str]) -> str:
    """Return a short name for an identity, 16 hexadecimal digits."""
    text = json.dumps(dict(identity), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def processor() -> dict[str, str]:
    """Return what the last digits depend on beneath all packages: processor and C library."""
    return {
        "processor": f"{platform.machine()} {_cpu_flags()}".strip(),
        "C library": " ".join(platform.libc_ver()),
    }


def adapter_digest(module: str, listed: Iterable[str]) -> str | None:
    """Return a digest of the sources of an engine: those it lists, and those of its own module.

    A module outside this program may use files beside it: those that it imports, itself or through
    others of them, count with it.

    Returns
    -------
    str or None
        None when the module has no source file, as for a class that was typed in.
    """
    own = _own_files(module)
    others = source_files(*listed)
    return None if own is None or others is None else _digest({*own, *others})


def source_digest(*names: str) -> str | None:
    """Return a digest of modules and whole packages; None when one of them has no source."""
    files = source_files(*names)
    return None if files is None else _digest(files)


def source_files(*names: str) -> set[Path] | None:
    """Return the files of modules, of packages with all that is in them, and of ``r_scripts``."""
    files: set[Path] = set()
    for name in names:
        if name == R_SCRIPTS:
            files.update(r_scripts())
            continue
        path = _source(name)
        if path is None:
            return None
        files.update(path.parent.rglob("*.py") if path.name == "__init__.py" else (path,))
    return files


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    # Not by whole paths: the same sources in another place are the same.
    for name, path in sorted(("/".join(path.parts[-2:]), path) for path in files):
        digest.update(f"{name}\n".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


def _own_files(module: str) -> set[Path] | None:
    """Return the files of a module of anyone's: its own, and those in its place that it imports."""
    path = _source(module)
    top = module.partition(".")[0]
    if path is None or top == _PROGRAM:
        return None if path is None else {path}
    place = path.parents[module.count(".") + (path.name == "__init__.py")]
    if any(place == Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")):
        # An installed distribution counts with all its files, see engine_identity.
        return {path}
    found, waiting = {path}, [(module, path)]
    while waiting:
        name, path = waiting.pop()
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        try:
            names = _imports(path.read_text(encoding="utf-8"), package)
        except (SyntaxError, UnicodeDecodeError):
            return None
        for imported in names:
            base = place.joinpath(*imported.split("."))
            for file in (base.with_suffix(".py"), base / "__init__.py"):
                if file.is_file() and file not in found:
                    found.add(file)
                    waiting.append((imported, file))
    return found


@lru_cache(maxsize=256)
def _imports(source: str, package: str) -> frozenset[str]:
    """Return what a source imports anywhere in it, and the packages above that."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # What is imported from a package may be a module or a name in it.
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    parts = [name.split(".") for name in names]
    above_all = {".".join(p[:i]) for p in parts for i in range(1, len(p) + 1)}
    return frozenset(n for n in above_all if n.partition(".")[0] not in ("", _PROGRAM))


def _plain(value: object) -> bool:
    match value:
        case None | bool() | int() | float() | str() | bytes():
            return True
        case tuple() | list():
            return all(map(_plain, value))
        case dict():
            return all(_plain(key) and _plain(item) for key, item in value.items())
    return False


def _source(module: str) -> Path | None:
    """Return the file of a module without importing it."""
    place = getattr(sys.modules.get(module), "__file__", None)
    if place is None and module not in sys.modules:
        top, *rest = module.split(".")
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            return None
        place = None if spec is None else spec.origin
        if place and rest:
            base = Path(place).parent.joinpath(*rest)
            there = [p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()]
            place = str(there[0]) if there else None
    path = Path(place) if place else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _python_identity(versions: Mapping[str, str]) -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name, version in versions.items():
        found[name] = _distribution(name) or version
    for name in _ALWAYS:
        found.setdefault(name, _distribution(name) or "")
    # What holds in this process when the command line has set it, or nobody has.
    return found | {name: os.environ.get(name, "unset") for name in repeatable()}


@cache
def _distribution(name: str) -> str:
    """Version and a digest of the installed files; of an editable install, of their dates."""
    try:
        about = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return ""
    digest = hashlib.sha256()
    direct = about.read_text("direct_url.json") or "{}"
    editable = json.loads(direct).get("dir_info", {}).get("editable", False)
    if editable:
        for path in _package_files(name):
            state = path.stat()
            digest.update(f"{path} {state.st_mtime_ns} {state.st_size}\n".encode())
    else:
        # Scripts and what the installer adds differ from place to place and decide nothing.
        for line in sorted((about.read_text("RECORD") or "").splitlines()):
            if re.match(r"[^.].*\.(py|so|pyd)(\.[\d.]+)?,", line):
                digest.update(line.encode() + b"\n")
    return f"{about.version} ({digest.hexdigest()[:16]})"


def _package_files(name: str) -> list[Path]:
    spec: Any = importlib.util.find_spec(name.replace("-", "_"))
    if spec is None or spec.origin is None:
        return []
    top = Path(spec.origin).parent
    return sorted(p for p in top.rglob("*") if p.suffix in (".py", ".so") and p.is_file())


def _cpu_flags() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    line = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    flags = set(line[1].split()) if line else set()
    return " ".join(flag for flag in _CPU_FLAGS if flag in flags)
