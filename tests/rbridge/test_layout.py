"""Programs started with addresses that are the same each time."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.rbridge.layout import same_addresses

NO_RANDOM_ADDRESSES = 0x0040000
"""ADDR_NO_RANDOMIZE of <sys/personality.h>."""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/personality").exists(), reason="needs /proc of Linux"
)


def kept_by_a_child():
    read = "print(open('/proc/self/personality').read())"
    done = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True)
    return bool(int(done.stdout, 16) & NO_RANDOM_ADDRESSES)


def where_things_lie():
    done = subprocess.run(
        [sys.executable, "-S", "-c", "print(id(object()))"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "0"},
    )
    return done.stdout


def test_programs_in_the_block_have_fixed_addresses_and_later_ones_do_not():
    before = kept_by_a_child()
    with same_addresses():
        inside = kept_by_a_child()
        if not inside:
            pytest.skip("this system does not allow it")
        assert len({where_things_lie() for _ in range(3)}) == 1
    assert kept_by_a_child() == before


def test_the_block_is_left_as_it_was_after_an_error():
    before = kept_by_a_child()
    with pytest.raises(ZeroDivisionError), same_addresses():
        raise ZeroDivisionError
    assert kept_by_a_child() == before
