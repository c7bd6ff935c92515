"""What an engine's numbers depend on: every source, version and setting, found without running."""

import importlib
import subprocess
import sys
from importlib import metadata

import pytest

from harness.engines.lme4 import Lme4Engine
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.rbridge.worker import RSession
from harness.store import identity
from harness.store.identity import engine_identity, fingerprint, source_files

ENGINE = """
{imports}
from harness.engines.engine import Fit

class Own:
    name = "own"
    def versions(self):
        return {{"own": "1"}}
    def unsupported(self, case):
        return None
    def fit(self, case, setting):
        ...
    def begin(self, case, setting):
        ...
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder of modules on the path; what was imported from it is forgotten."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


def own_engine():
    return importlib.import_module("own_engine").Own()


@pytest.mark.parametrize(
    ("imports", "path"),
    [
        ("import own_solver", "own_solver.py"),
        ("from own_solver import solve", "own_solver.py"),
        ("from own_parts import (\n    first,\n    second,\n)", "own_parts/second.py"),
        ("from own_parts.second import solve", "own_parts/second.py"),
        ("def later():\n    import own_parts.second", "own_parts/second.py"),
        ("import own_middle", "own_solver.py"),
    ],
)
def test_an_edit_of_what_an_adapter_imports_is_another_identity(folder, imports, path):
    (folder / "own_engine.py").write_text(ENGINE.format(imports=imports))
    (folder / "own_middle.py").write_text("import own_solver\n")
    (folder / "own_solver.py").write_text("def solve(): return 1\n")
    (folder / "own_parts").mkdir()
    (folder / "own_parts" / "__init__.py").write_text("")
    for name in ("first", "second"):
        (folder / "own_parts" / f"{name}.py").write_text("def solve(): return 1\n")
    engine = own_engine()
    before = engine_identity(engine)
    assert engine_identity(engine) == before
    (folder / path).write_text("def solve(): return 2\n")
    after = engine_identity(engine)
    assert {name for name in after if after[name] != before[name]} == {"sources"}
    assert fingerprint(before) != fingerprint(after)


def test_an_edit_of_what_an_adapter_does_not_import_changes_nothing(folder):
    (folder / "own_engine.py").write_text(ENGINE.format(imports=""))
    engine = own_engine()
    before = engine_identity(engine)
    (folder / "unrelated.py").write_text("x = 1")
    assert engine_identity(engine) == before


def test_sources_of_lme4_are_those_of_its_way_to_r():
    files = {path.name for path in source_files(*Lme4Engine.sources)}
    # session.py and template.py run in another process, and nothing imports them here.
    assert {
        "lme4.py",
        "lme4_reply.py",
        "lme4_spelling.py",
        "worker.py",
        "template.py",
        "session.py",
    } < files
    assert {"fit_lmer.R", "conditions.R"} < files
    assert not {"optimum.py", "records.py", "campaign_file.py"} & files


@pytest.mark.slow
@pytest.mark.parametrize("kind", [StatsmodelsEngine, RefereeEngine, Lme4Engine])
def test_engines_list_every_package_that_they_import(kind):
    code = (
        f"import sys, {kind.__module__}\n"
        "parts = [m.split('.') for m in sys.modules if m.startswith('harness.')]\n"
        "print(*{'.'.join(p[:2]) for p in parts if len(p) > 2})"  # a room's door holds no code
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # That the likelihood is imported beside MixedLM's results changes none of these.
    assert set(done.stdout.split()) - {"harness.referee"} <= set(kind.sources)


def test_an_edit_of_r_code_is_another_identity(tmp_path, monkeypatch):
    script = tmp_path / "fit_lmer.R"
    script.write_text("1")
    others = [path for path in identity.r_scripts() if path.name != script.name]
    monkeypatch.setattr(identity, "r_scripts", lambda: (*others, script))
    with RSession() as session:
        engines = (Lme4Engine(session), StatsmodelsEngine())
        before = [engine_identity(engine) for engine in engines]
        script.write_text("2")
        after = [engine_identity(engine) for engine in engines]
    assert {n for n in after[0] if after[0][n] != before[0][n]} == {"sources"}
    assert after[1] == before[1]


def test_an_edit_of_this_program_is_another_identity_of_every_engine(tmp_path, monkeypatch):
    edited = tmp_path / "engine.py"
    original = identity.source_files

    def files(*names):
        found = original(*names)
        return {edited if path.name == edited.name else path for path in found}

    edited.write_text("1")
    monkeypatch.setattr(identity, "source_files", files)
    engines = (StatsmodelsEngine(), RefereeEngine())
    before = [engine_identity(engine)["sources"] for engine in engines]
    edited.write_text("2")
    assert not set(before) & {engine_identity(engine)["sources"] for engine in engines}


def test_an_adapter_that_cannot_be_read_is_unknown(folder):
    (folder / "own_engine.py").write_text(ENGINE.format(imports="def later():\n    import own_bad"))
    engine = own_engine()
    (folder / "own_bad.py").write_text("def solve(:\n")
    assert engine_identity(engine) is None


def test_an_engine_that_lists_what_there_is_not_is_unknown():
    class Listing(RefereeEngine):
        sources = ("harness.engines", "harness.nothing_of_the_kind")

    assert engine_identity(Listing()) is None


def test_arguments_of_an_engine_are_part_of_it():
    identities = [
        engine_identity(StatsmodelsEngine(**options))
        for options in ({}, {"method": "powell"}, {"tolerances": {"gtol": 1e-10}})
    ]
    assert len({fingerprint(i) for i in identities}) == 3


def test_an_argument_that_cannot_be_written_down_makes_an_engine_unknown():
    import numpy as np

    assert engine_identity(StatsmodelsEngine(start=[np.eye(2)])) is None


@pytest.mark.slow
def test_a_class_typed_in_has_no_identity():
    code = (
        "from harness.store.identity import engine_identity\n"
        "from harness.engines.referee_engine import RefereeEngine\n"
        "class Typed(RefereeEngine): pass\n"
        "print(engine_identity(Typed()), engine_identity(RefereeEngine()) is None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "None False\n"


def test_subclasses_are_told_apart():
    class One(RefereeEngine):
        pass

    class Two(RefereeEngine):
        pass

    assert len({fingerprint(engine_identity(kind())) for kind in (RefereeEngine, One, Two)}) == 3


def test_python_packages_count_with_their_files(monkeypatch):
    before = engine_identity(StatsmodelsEngine())
    assert before["statsmodels"].startswith(f"{metadata.version('statsmodels')} (")
    assert {"numpy", "scipy", "pandas", "patsy", "Python", "processor"} <= set(before)
    # A package may have put importlib_metadata's own distributions before the standard library's.
    kind = type(metadata.distribution("statsmodels"))
    original = kind.read_text

    def patched(self, name):
        text = original(self, name)
        if name == "RECORD" and self.name == "statsmodels":
            return text.replace("mixed_linear_model.py,sha256=", "mixed_linear_model.py,sha256=x")
        return text

    monkeypatch.setattr(kind, "read_text", patched)
    identity._distribution.cache_clear()
    after = engine_identity(StatsmodelsEngine())
    identity._distribution.cache_clear()
    assert {name for name in after if after[name] != before[name]} == {"statsmodels"}


def test_variables_that_change_digits_are_part_of_an_engine_in_this_process(monkeypatch):
    identities = []
    for kernel in ("Nehalem", "Haswell"):
        monkeypatch.setenv("OPENBLAS_CORETYPE", kernel)
        identities.append(engine_identity(RefereeEngine()))
    changed = {name for name in identities[0] if identities[0][name] != identities[1][name]}
    assert changed == {"OPENBLAS_CORETYPE"}


def test_without_files_to_read_the_engine_itself_is_asked(monkeypatch):
    class Remote(RefereeEngine):
        asked = False

        def identity(self):
            return {}

        def versions(self):
            type(self).asked = True
            return {"remote": "3"}

    assert engine_identity(Remote())["remote"] == "3"
    assert Remote.asked
    monkeypatch.setattr(Remote, "versions", lambda self: {})
    assert engine_identity(Remote()) is None


def test_without_r_lme4_has_no_identity(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("R_HOME", raising=False)
    with RSession() as session:
        assert engine_identity(Lme4Engine(session)) is None
