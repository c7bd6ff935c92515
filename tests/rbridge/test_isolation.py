"""A call that goes wrong in R costs that call and nothing else."""

import time
from pathlib import Path

import pytest

from harness.rbridge.failures import RCrash, REnvironment, RError, RFailure, RMemory, RTimeout
from harness.rbridge.worker import RSession

pytestmark = pytest.mark.r

FAULTS = {
    "fault_error": ({}, RError, "this is an error"),
    "fault_segfault": ({}, RCrash, "SIGSEGV"),
    "fault_loop": ({}, RTimeout, "stopped after 0."),
    "fault_sleep": ({"seconds": 60.0}, RTimeout, "stopped after 0."),
    "fault_missing_package": ({}, REnvironment, 'install.packages("notARealPackage"'),
    "fault_recursion": ({}, RError, ""),
    "fault_memory": ({"megabytes": 100_000}, RMemory, "cannot allocate"),
    "no_such_function": ({}, RError, "no_such_function"),
}


def process_of(session):
    return int(session.call("fault_state", {}).numbers("pid")[0])


def parent_of(process):
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_exception_and_the_next_call_works(r, fault):
    payload, kind, text = FAULTS[fault]
    before = process_of(r)
    with pytest.raises(kind) as caught:
        r.call(fault, payload, timeout=0.5 if kind is RTimeout else 30)
    assert text in str(caught.value)
    after = process_of(r)
    replaced = kind in (RCrash, RTimeout, RMemory)
    assert (after != before) == replaced


def test_a_new_worker_is_forked_from_the_r_that_is_there(r):
    before = parent_of(process_of(r))
    with pytest.raises(RCrash):
        r.call("fault_segfault", {})
    assert parent_of(process_of(r)) == before


def test_a_worker_that_has_grown_by_half_its_limit_is_replaced_and_no_other():
    with RSession(memory_mb=400, extra_scripts=("faults.R",), preload=()) as session:
        replies = [session.call("fault_grow", {"megabytes": 60.0}) for _ in range(9)]
        kept = [int(reply.numbers("kept")[0]) for reply in replies]
        processes = [int(reply.numbers("pid")[0]) for reply in replies]
    # Each reply came back whole; the fourth took the worker beyond 200 MB.
    assert kept == [1, 2, 3, 4, 1, 2, 3, 4, 1]
    assert [len(set(processes[a:b])) for a, b in ((0, 4), (4, 8), (0, 9))] == [1, 1, 3]


def test_no_call_is_lost_among_crashes_and_hangs(r):
    answers = []
    for i in range(40):
        fault = {3: "fault_segfault", 7: "fault_loop"}.get(i % 10)
        try:
            limit = 0.3 if fault == "fault_loop" else 60
            reply = r.call(fault or "fault_echo", {} if fault else {"i": i}, timeout=limit)
            answers.append(int(reply.numbers("i")[0]))
        except RFailure as failure:
            answers.append(type(failure))
    expected = [{3: RCrash, 7: RTimeout}.get(i % 10, i) for i in range(40)]
    assert answers == expected


def test_conditions_come_back_in_order_with_the_result(r):
    reply = r.call("fault_warning", {})
    assert reply.numbers("answer").tolist() == [42.0]
    assert [(c.kind, c.text, c.category) for c in reply.conditions] == [
        ("warning", "first warning", "simpleWarning"),
        ("message", "a message", "simpleMessage"),
        ("warning", "second warning", "simpleWarning"),
    ]


def test_nothing_is_printed(r, capfd):
    assert r.call("fault_noise", {}).numbers("done").tolist() == [1.0]
    with pytest.raises(RCrash):
        r.call("fault_segfault", {})
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_calls_run_side_by_side_with_two_workers(tmp_path):
    """Each call ends when the other has begun."""
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    with RSession(workers=2, extra_scripts=("faults.R",), preload=()) as session:
        pairs = ({"own": one, "other": other}, {"own": other, "other": one})
        both = [session.submit("fault_meet", pair) for pair in pairs]
        assert [future.result().numbers("met").tolist() for future in both] == [[1.0], [1.0]]


def test_close_ends_a_call_under_way():
    session = RSession(timeout=300, extra_scripts=("faults.R",), preload=())
    session.call("r_versions", {})
    hanging = session.submit("fault_loop", {})
    time.sleep(0.3)
    session.close()
    with pytest.raises(RCrash):
        hanging.result(timeout=60)
    with pytest.raises(RuntimeError, match="closed"):
        session.call("r_versions", {})


def test_memory_limit_is_per_session():
    with RSession(memory_mb=200, extra_scripts=("faults.R",), preload=()) as small:
        assert small.call("fault_memory", {"megabytes": 50}).numbers("length")[0] == 50 * 131072
        with pytest.raises(RMemory):
            small.call("fault_memory", {"megabytes": 400})


def test_an_unsendable_argument_is_this_calls_failure(r):
    with pytest.raises(RError, match="cannot send set to R"):
        r.call("fault_echo", {"a": {1, 2}})
    assert process_of(r) > 0
