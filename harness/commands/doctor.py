"""``lmm-parity doctor``: is everything there and sound."""

from __future__ import annotations

import sys

import click

from harness.base.errors import EXIT_ENVIRONMENT, EXIT_OK
from harness.commands import options


@click.command()
@options.as_json
@options.quiet
def doctor(as_json: bool, quiet: bool) -> None:
    """Check R, rpy2, packages and BLAS, and fit ten rows whose right answer is known."""
    from harness.base.json import encode
    from harness.commands.progress import progress
    from harness.diagnose.installation import examine_environment
    from harness.page.listing_layout import checks_page
    from harness.page.terminal_page import print_page
    from harness.rbridge.worker import RSession

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
        print_page(checks_page(checks))
    sys.exit(EXIT_OK if all(check.ok for check in checks) else EXIT_ENVIRONMENT)
