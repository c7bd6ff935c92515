"""``lmm-parity doctor``: is everything there and sound."""

from __future__ import annotations

import sys

import click

from harness.commands import options
from harness.errors import EXIT_ENVIRONMENT, EXIT_OK


@click.command()
@options.as_json
@options.quiet
def doctor(as_json: bool, quiet: bool) -> None:
    """Check R, rpy2, packages and BLAS, and fit ten rows whose right answer is known."""
    from harness.doctor import examine_environment
    from harness.numbers import encode
    from harness.progress import progress
    from harness.rbridge import RSession
    from harness.terminal import print_checks

    with RSession(timeout=60) as session:
        session.start()
        with progress("Looking", 0, hidden=quiet or as_json) as advance:
            checks = []
            for check in examine_environment(session):
                advance(check.name)
                checks.append(check)
    if as_json:
        for check in checks:
            click.echo(encode(check).decode())
    elif not quiet:
        print_checks(checks)
    sys.exit(EXIT_OK if all(check.ok for check in checks) else EXIT_ENVIRONMENT)
