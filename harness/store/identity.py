"""What an engine's numbers depend on besides the case, found without running the engine.

Versions alone are not enough to tell a stored result from a stale one: an adapter is edited, a
package under development is rebuilt under the same version, a processor without AVX-512 adds in
another order. So this goes by the sources and builds as they lie on the disk.
"""

from __future__ import annotations

import contextlib
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
from harness.base.resources import r_script
from harness.engines.engine import Engine

_PROGRAM = __name__.partition(".")[0]

_ALWAYS = ("numpy", "scipy")
"""Beneath every engine that runs in this process, whether it names them or not."""

_CPU_FLAGS = ("avx", "avx2", "fma", "avx512f", "avx512dq", "avx512_bf16", "asimd", "sve")
"""Instructions that numpy, OpenBLAS and the C library choose their code by."""

_MODULE = re.compile(r"\b[A-Za-z_]\w*(?:\.\w+)+")
_FROM = re.compile(r"^\s*from\s+([\w.]+)\s+import\s+(?:\(([^)]*)\)|(.+))", re.MULTILINE)
_IMPORT = re.compile(r"^\s*import\s+(.+)$", re.MULTILINE)
_R_FILE = re.compile(r"""["'](\w+\.R)["']""")


def engine_identity(engine: Engine) -> dict[str, str] | None:
    """Return what decides the numbers of an engine, by name; None when that cannot be known.

    An engine that runs outside this process, or that holds more than plain values, has a method
    ``identity`` that returns its part as ``dict[str, str]``, empty when it cannot tell. Of others
    it is the distributions that ``versions`` names (with the checksums of their files), numpy and
    scipy. In both cases come the attributes of the engine that are plain values
    (``StatsmodelsEngine(method=...)``), the sources of its class, and the processor.

    None, and nothing of the engine may be stored: without an ``identity``, an attribute that is
    not a plain value (a function, an array, another engine); a class without a source file; an
    engine that cannot say its versions.
    """
    kind = type(engine)
    versions: dict[str, str] = {}
    own = getattr(engine, "identity", None)
    attributes = sorted(getattr(engine, "__dict__", {"": engine}).items())
    # Written down now: an engine may keep in one of them what it is asked for next.
    plain = {name: repr(value) for name, value in attributes if _plain(value)}
    if own is not None:
        found = dict(own())
        plain = {name: value for name, value in plain.items() if not name.startswith("_")}
    elif len(plain) == len(attributes):
        versions = engine.versions()
        found = _python_identity(versions)
    else:
        return None
    # Starting the engine is the last resort.
    found = found or dict(engine.versions())
    sources = source_digest(kind.__module__, besides=versions)
    if sources is None or not found:
        return None
    found |= {"engine": f"{kind.__module__}.{kind.__qualname__}", "sources": sources}
    package = kind.__module__.partition(".")[0]
    if package != _PROGRAM:
        # It may hold compiled code, which has no source here.
        found["package"] = _distribution(package)
    found |= {f"attribute {name}": value for name, value in plain.items()}
    return found | processor()


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


def source_digest(module: str, *, besides: Iterable[str] = ()) -> str | None:
    """Return a digest of a module's source and of the sources that it reaches.

    Followed are the modules of its own package, of this program and of no installed package (a
    file beside it), wherever the text names them, be it in an import or in a string that another
    process runs; and the R files of this program that it names.

    Parameters
    ----------
    besides : iterable of str
        Packages not to follow: their versions are known.

    Returns
    -------
    str or None
        None when the module has no source file, as for a class that was typed in.
    """
    packages = {module.partition(".")[0], _PROGRAM}
    not_followed = {*sys.stdlib_module_names, *besides}
    waiting = [module]
    # The top of this program holds its version and hands on names of all its parts.
    seen = {_PROGRAM}
    texts: dict[str, str] = {}
    scripts: set[str] = set()
    while waiting:
        name = waiting.pop()
        path = None if name in seen else _source(name)
        seen.add(name)
        if path is None:
            continue
        text = texts[name] = path.read_text(encoding="utf-8")
        modules, r_files = _mentioned(text)
        scripts |= r_files
        for mentioned in modules:
            top = mentioned.partition(".")[0]
            # What this program imports it names in its versions.
            own = name.partition(".")[0] != _PROGRAM and top not in not_followed
            if top in packages or (own and not _installed(top)):
                waiting.append(mentioned)
    if module not in texts:
        return None
    digest = hashlib.sha256()
    for name in sorted(texts):
        digest.update(f"{name}\n{texts[name]}\0".encode())
    for name in sorted(scripts):
        with contextlib.suppress(FileNotFoundError):
            digest.update(r_script(name).read_bytes() + b"\0")
    return digest.hexdigest()[:32]


def _plain(value: object) -> bool:
    match value:
        case None | bool() | int() | float() | str() | bytes():
            return True
        case tuple() | list():
            return all(map(_plain, value))
        case dict():
            return all(_plain(key) and _plain(item) for key, item in value.items())
    return False


@lru_cache(maxsize=1024)
def _mentioned(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Modules and R files that a source names; the sources of two engines are mostly the same."""
    names = set(_MODULE.findall(text))
    for package, several, one in _FROM.findall(text):
        names |= {package, *(f"{package}.{n}" for n in re.split(r"[,\s]+", several or one) if n)}
    for listed in _IMPORT.findall(text):
        names |= {part.split()[0] for part in listed.split(",") if part.strip()}
    # ``harness.base.json.encode`` is in ``harness.base.json``: what is no module has no source.
    names |= {name.rpartition(".")[0] for name in names if "." in name}
    return frozenset(names), frozenset(_R_FILE.findall(text))


@cache
def _installed(top: str) -> bool:
    """Whether a top-level name is an installed package, or none that has a source."""
    path = _source(top)
    if path is None:
        return True
    return any(path.is_relative_to(sysconfig.get_path(name)) for name in ("purelib", "platlib"))


def _source(module: str) -> Path | None:
    loaded = sys.modules.get(module)
    place = getattr(loaded, "__file__", None)
    if loaded is None:
        root, _, rest = module.partition(".")
        top = _source(root) if rest else None
        if top is not None:
            # Not by find_spec, which would import the packages above it.
            base = top.parent.joinpath(*rest.split("."))
            for candidate in (base.with_suffix(".py"), base / "__init__.py"):
                if candidate.is_file():
                    return candidate
            return None
        try:
            spec = importlib.util.find_spec(root)
        except (ImportError, ValueError):
            return None
        place = spec.origin if spec is not None and not rest else None
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
