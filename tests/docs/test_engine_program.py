"""docs/engine-program.md names what the code reads of a program's answer."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_names_every_probe_that_a_cause_reads():
    causes = [p.read_text(encoding="utf-8") for p in (ROOT / "harness/judge/causes").glob("*.py")]
    read = set(re.findall(r'"([a-z-]+)" in \w+\.probes', "\n".join(causes)))
    page = (ROOT / "docs" / "engine-program.md").read_text(encoding="utf-8")
    table = page[page.index("| probe |") :]
    assert read
    assert read == set(re.findall(r"^\| `([a-z-]+)` \| `(?:fitted|failed)`", table, re.MULTILINE))
