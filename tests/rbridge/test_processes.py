"""R's processes from outside: how they start, from where they can be started, how they end."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness.rbridge import worker
from harness.rbridge.environment import RInstallation as R
from harness.rbridge.environment import explain_start, find_r, install_rpy2, worker_environment
from harness.rbridge.failures import RCrash, REnvironment, RFailure
from harness.rbridge.worker import RSession

pytestmark = pytest.mark.r

CHECKOUT = Path(__file__).parents[2]

USE_R = """
import json, sys
from harness.rbridge.worker import RSession
session = RSession(extra_scripts=("faults.R",), preload=())
state = session.call("fault_state", {})
print(json.dumps({
    "pid": state.numbers("pid")[0],
    "contrasts": state.texts("contrasts"),
    "imported": [m for m in sys.modules if m.startswith("rpy2")],
}), flush=True)
"""


def run(*arguments, cwd, **keywords):
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)} | keywords.pop("env", {})
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **keywords,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def gone(process, seconds=10.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_script_without_main_guard_works_and_never_imports_rpy2(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(USE_R)
    answer = run("script.py", cwd=tmp_path)
    assert answer["imported"] == []
    # The script did not close its session; ending was enough.
    assert gone(int(answer["pid"]))


def test_code_typed_into_the_interpreter_works(tmp_path):
    # A file of that name in the working directory must not get into the R process either.
    (tmp_path / "numpy.py").write_text("raise RuntimeError('shadowed')")
    code = f"import sys; sys.path.remove(''); exec({USE_R!r})"
    assert run("-c", code, cwd=tmp_path)["pid"] > 0
    assert run("-", cwd=tmp_path.parent, input=USE_R)["pid"] > 0


def test_a_profile_in_the_working_directory_changes_nothing(tmp_path):
    profile = 'options(contrasts = c("contr.sum", "contr.helmert")); cat("hello\\n")'
    (tmp_path / ".Rprofile").write_text(profile)
    (tmp_path / "site").write_text(profile)
    (tmp_path / ".Renviron").write_text("R_DEFAULT_PACKAGES=NULL\n")
    site = str(tmp_path / "site")
    answer = run("-", cwd=tmp_path, input=USE_R, env={"R_PROFILE_USER": site, "R_PROFILE": site})
    assert answer["contrasts"] == ["contr.treatment", "contr.poly"]


@pytest.mark.parametrize("function", ["fault_loop", "fault_state"])
def test_nothing_survives_a_killed_parent(tmp_path, function):
    code = f"""
{USE_R}
session.submit({function!r}, {{}})
import time
time.sleep(600)
"""
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
    )
    worker = int(json.loads(parent.stdout.readline())["pid"])
    template = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
    time.sleep(0.3)
    assert list(tmp_path.iterdir())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert gone(worker)
    assert gone(template)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stopped", ["template", "worker", "both"])
def test_nothing_survives_a_killed_parent_that_was_stopped(tmp_path, stopped):
    code = f"{USE_R}\nimport time\ntime.sleep(600)\n"
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
    )
    worker = int(json.loads(parent.stdout.readline())["pid"])
    template = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
    for name, process in (("worker", worker), ("template", template)):
        if stopped in (name, "both"):
            os.kill(process, signal.SIGSTOP)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    try:
        assert gone(worker)
        assert gone(template)
        assert list(tmp_path.iterdir()) == []
    finally:
        for process in (worker, template):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def test_a_worker_that_was_stopped_goes_with_its_template():
    with RSession(extra_scripts=("faults.R",), preload=()) as session:
        worker = int(session.call("fault_state", {}).numbers("pid")[0])
        template = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(worker, signal.SIGSTOP)
        os.kill(template, signal.SIGKILL)
        assert gone(worker)


def test_a_lost_template_is_replaced():
    with RSession(extra_scripts=("faults.R",), preload=()) as session:
        worker = int(session.call("fault_state", {}).numbers("pid")[0])
        template = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(template, signal.SIGKILL)
        assert gone(worker)
        with pytest.raises(RFailure, match="R process"):
            session.call("fault_state", {})
        assert int(session.call("fault_state", {}).numbers("pid")[0]) not in (worker, 0)


def test_temporary_files_go_with_the_session(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with RSession(preload=()) as session:
        session.call("r_versions", {})
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_starting_in_the_background_leaves_failures_to_the_first_call(monkeypatch):
    monkeypatch.setenv("R_HOME", "/nowhere")
    with RSession(preload=()) as session:
        session.start()
        with pytest.raises(REnvironment, match="/nowhere is not the home of a working R"):
            session.call("r_versions", {})


def test_without_r_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.delenv("R_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with (
        RSession(preload=()) as session,
        pytest.raises(REnvironment, match="apt-get install r-base-dev"),
    ):
        session.call("r_versions", {})


def test_an_rpy2_for_another_r_is_recognised():
    old = R(Path("/usr/lib/R"), (4, 2, 2))
    text = explain_start("ImportError: libR.so: undefined symbol: R_getVar", old)
    assert "does not work with R 4.2.2" in text
    assert "python -m pip install rpy2==3.6.6 rpy2-rinterface==3.6.5 rpy2-robjects==3.6.6" in text
    assert "pip install --upgrade rpy2" in install_rpy2(R(Path("/usr/lib/R"), (4, 5, 0)))
    absent = explain_start("ModuleNotFoundError: No module named 'rpy2'", old)
    assert absent.startswith("rpy2 is not installed. Install the one that fits R 4.2.2")


def test_a_broken_rpy2_is_reported_once_and_at_once(tmp_path, monkeypatch):
    (tmp_path / "rpy2").mkdir()
    (tmp_path / "rpy2" / "__init__.py").write_text("")
    (tmp_path / "rpy2" / "situation.py").write_text("")
    (tmp_path / "rpy2" / "rinterface.py").write_text(
        "raise ImportError('_rinterface_cffi_api.abi3.so: undefined symbol: R_getVar')"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with RSession(preload=()) as session:
        with pytest.raises(REnvironment, match=r"rpy2==3\.6\.6|--upgrade rpy2"):
            session.call("r_versions", {})
        # Remembered: the module that failed is not imported again.
        (tmp_path / "rpy2" / "rinterface.py").write_text("raise ImportError('tried again')")
        with pytest.raises(REnvironment, match="does not work with R"):
            session.call("r_versions", {})


def planted(folder, rinterface):
    """A rpy2 whose ``rinterface`` runs some code first, and is the real one after it."""
    import importlib.util

    real = Path(importlib.util.find_spec("rpy2.rinterface_lib").origin).parents[1]
    package = folder / "rpy2"
    package.mkdir()
    for module in ("situation", "rinterface_lib"):
        (package / module).symlink_to(real / module)
    text = (real / "rinterface" / "__init__.py").read_text()
    head, mark, tail = text.partition("from __future__ import annotations\n")
    (package / "rinterface.py").write_text(f"{head}{mark}{rinterface}\n{tail}")


def test_a_start_that_failed_once_is_tried_again(tmp_path, monkeypatch):
    once = tmp_path / "failed"
    planted(
        tmp_path,
        f"import os\nif not os.path.exists({str(once)!r}):\n"
        f"    open({str(once)!r}, 'w').close()\n    raise StopIteration",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with RSession(preload=()) as session:
        assert session.call("r_versions", {}).texts("R")
    assert once.exists()


def test_a_failed_start_is_not_remembered_for_good(tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    broken.touch()
    planted(
        tmp_path,
        f"import os, sys\nif os.path.exists({str(broken)!r}):\n"
        "    sys.stderr.write('no room on the disk\\n')\n    raise StopIteration",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("harness.rbridge.worker.REMEMBERED_SECONDS", 0.0)
    with RSession(preload=()) as session:
        # What failed is named, with what it wrote on standard error.
        with pytest.raises(REnvironment, match="StopIteration; standard error: no room on the"):
            session.call("r_versions", {})
        broken.unlink()
        assert session.call("r_versions", {}).texts("R")


def test_starting_r_starts_no_other_r(tmp_path):
    """Loaded by itself, rpy2 runs Rscript twice; one that leaves a mark shows that none is run."""
    home = tmp_path / "R"
    real = find_r().home
    (home / "bin").mkdir(parents=True)
    for part in real.iterdir():
        if part.name != "bin":
            (home / part.name).symlink_to(part)
    for program in (real / "bin").iterdir():
        if program.name != "Rscript":
            (home / "bin" / program.name).symlink_to(program)
    ran = tmp_path / "ran"
    (home / "bin" / "Rscript").write_text(f"#!/bin/sh\ntouch {ran}\nexit 1\n")
    (home / "bin" / "Rscript").chmod(0o755)
    answer = run("-", cwd=tmp_path, input=USE_R, env={"R_HOME": str(home)})
    assert answer["contrasts"] == ["contr.treatment", "contr.poly"]
    assert not ran.exists()


NULL_FILE = """
printf 'options(contrasts = c("contr.sum", "contr.helmert")); stop("read as a profile")\\n' > file
mount --bind file /dev/null && exec {python} -
"""


def test_r_starts_where_the_null_device_is_a_file(tmp_path):
    """In a mount namespace of the test's own: a file stands over /dev/null there, nowhere else."""
    namespace = ["unshare", "--mount", "--propagation", "private"]
    try:
        mounting = [*namespace, "sh", "-c", "touch f t && mount --bind f t"]
        able = subprocess.run(mounting, cwd=tmp_path, capture_output=True, check=False).returncode
    except FileNotFoundError:
        able = 1
    if able:
        pytest.skip("no mount namespace may be made here")
    script = NULL_FILE.replace("{python}", sys.executable)
    done = subprocess.run(
        [*namespace, "sh", "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        input=USE_R,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["contrasts"] == ["contr.treatment", "contr.poly"]
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_the_environment_fixes_what_changes_digits(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("R_DEFAULT_PACKAGES", "NULL")
    environment = worker_environment(find_r(), tmp_path)
    assert environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == "1"
    assert (environment["LC_ALL"], environment["LANGUAGE"]) == ("C.UTF-8", "en")
    assert environment["R_PROFILE_USER"] == environment["R_ENVIRON_USER"] == ""
    assert "R_DEFAULT_PACKAGES" not in environment
    assert os.environ["OMP_NUM_THREADS"] == "8"


def test_a_session_that_is_closed_while_r_starts_does_not_wait_for_it(monkeypatch):
    begun = threading.Event()
    started = []

    def seen(template):
        started.append(template._process)
        begun.set()
        wait(template)

    wait = worker._Template.wait
    monkeypatch.setattr(worker._Template, "wait", seen)
    session = RSession()
    pending = session.submit("r_versions", {})
    assert begun.wait(60)
    session.close()
    with pytest.raises(RCrash, match="closed"):
        pending.result()
    # A start that is waited for ends by itself, when it has loaded lme4.
    assert started[0].returncode == -signal.SIGKILL
