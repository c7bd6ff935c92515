"""Dask as a place to run a campaign: its workers each keep one process for one task at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from harness.base.errors import BadInput, EnvironmentProblem, HarnessError
from harness.campaign.campaign_file import Campaign
from harness.campaign.driver import Executor
from harness.campaign.setup import Setup
from harness.campaign.worker_process import Opened
from harness.campaign.workers import close_workers, warm_up

CONNECT_SECONDS = 30.0


@dataclass(frozen=True)
class DaskPlace:
    """A Dask cluster that is connected; ``client`` is a ``distributed.Client``."""

    client: Any

    def running(self, campaign: Campaign) -> Campaign:
        """Return the campaign, to be run on the cluster."""
        # pure=False: a task that is given again, after a refusal, is to be done again.
        executor: Executor = self.client.get_executor(pure=False, retries=0)
        threads = sum(self.client.nthreads().values())
        return replace(
            campaign,
            executor=executor,
            at_once=2 * threads,
            opened=partial(self._opened, campaign.setup),
        )

    def _opened(self, setup: Setup) -> Opened:
        """Start one worker and return what it is made with: all others have to be like it."""
        try:
            found: Opened = self.client.submit(warm_up, setup, pure=False).result()
        except HarnessError:
            raise
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            raise EnvironmentProblem(f"the Dask workers cannot run this program: {text}") from error
        return found


@contextmanager
def dask_place(address: str) -> Iterator[DaskPlace]:
    """Connect to a scheduler; the workers' processes are ended afterwards.

    Parameters
    ----------
    address : str
        ``tcp://host:8786``, or the path of a scheduler file.

    Raises
    ------
    BadInput
        When Dask is not installed.
    EnvironmentProblem
        When nothing answers, or the cluster has no worker.
    """
    try:
        from distributed import Client

        connect: Callable[..., Any] = Client
    except ImportError:
        raise BadInput("--dask needs Dask: python -m pip install 'lmm-parity[dask]'") from None
    where = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
    try:
        client = connect(**where, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        text = " ".join(str(error).split())
        raise EnvironmentProblem(f"no Dask scheduler at {address}: {text}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError:
            raise EnvironmentProblem(f"the Dask cluster at {address} has no worker") from None
        try:
            yield DaskPlace(client)
        finally:
            client.run(close_workers, on_error="ignore")
