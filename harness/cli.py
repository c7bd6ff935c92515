"""The command line: ``lmm-parity``."""

from __future__ import annotations

import gc
import sys
from importlib import import_module

import click

from harness import __version__
from harness.base import numerics
from harness.base.errors import EXIT_INTERRUPTED, HarnessError
from harness.base.output_pipe import quiet_when_closed

_COMMANDS = {
    "report": "harness.commands.report:report",
    "ladder": "harness.commands.ladder:ladder",
    "run": "harness.commands.run:run",
    "merge": "harness.commands.merge:merge",
    "fit": "harness.commands.fit:fit",
    "audit": "harness.commands.audit:audit",
    "intervals": "harness.commands.intervals:intervals",
    "compare": "harness.commands.compare:compare",
    "diagnose": "harness.commands.diagnose:diagnose",
    "translate": "harness.commands.translate:translate",
    "bundle": "harness.commands.bundle:bundle",
    "doctor": "harness.commands.doctor:doctor",
    "certify": "harness.commands.certify:certify",
    "cache": "harness.commands.cache:cache",
    "conformance": "harness.commands.conformance:conformance",
    "scoreboard": "harness.commands.scoreboard:scoreboard",
    "engine": "harness.commands.engine:engine",
    "diff": "harness.commands.diff:diff",
    "export": "harness.commands.export:export",
    "schema": "harness.commands.schema:schema",
}
"""Where each command is, in the order in which --help lists them."""


class _Commands(click.Group):
    """Imports a command when it is asked for, so that the program answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of the table."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lmm-parity")
def cli() -> None:
    """Fit the same linear mixed model in Python (statsmodels) and in R (lme4, lmerTest).

    Find out whether they agree and, where they do not, which one is wrong and why.

    Exit codes: 0 all agreed or explained, 1 an unexplained disagreement, 2 usage or bad input,
    3 environment.
    """


def main() -> None:
    """Run the command line; every expected error becomes one clear line and its exit code."""
    numerics.pin()
    # To look for cycles after every 700 objects made is a tenth of the time that imports take.
    gc.set_threshold(50_000, 20, 20)
    with quiet_when_closed():
        _run()


def _run() -> None:
    try:
        cli.main(standalone_mode=False)
    except HarnessError as error:
        click.echo(f"lmm-parity: {error}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        command = context.command_path if context is not None else "lmm-parity"
        message = " ".join(error.format_message().split())
        click.echo(f"lmm-parity: {message} ({command} --help says more)", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("lmm-parity: interrupted; no report was written", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
