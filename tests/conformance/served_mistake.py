"""A planted mistake as a program of its own: ``served_mistake.py NAME``."""

import sys

from harness.conformance.planted_engines import PLANTED
from harness.engines.served_engine import serve

serve(PLANTED[sys.argv[1]].make(), sys.stdin.buffer, sys.stdout.buffer)
