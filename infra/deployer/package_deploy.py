"""Hands a package to a Flex Consumption app, again where that may help, and waits until its triggers are known."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from azure.core.credentials import TokenCredential
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential

from infra.deployer.function_site import FunctionSite, identity, properties
from infra.deployer.resource_manager import PASSING, Answer, PassingError, RefusedError, ResourceManager, connected

# What a deployment's ``status`` says. Source: https://github.com/Azure/azure-dev/issues/3658
CANCELLED: Final = -1
PENDING: Final = 0
BUILDING: Final = 1
DEPLOYING: Final = 2
FAILED: Final = 3
SUCCESS: Final = 4
CONFLICT: Final = 5
PARTIAL_SUCCESS: Final = 6

# The platform copies the package with the app's identity, whose role may not be in force yet, and a trigger sync that
# fails makes a success a partial one: each of these may be another one the next time.
FAILURES: Final = {
    CANCELLED: "was cancelled (status -1)",
    CONFLICT: "gave way to another deployment (status 5, Conflict)",
    FAILED: "failed (status 3)",
    PARTIAL_SUCCESS: "uploaded the package but left its triggers unknown to the scaler (status 6, PartialSuccess)",
}

# The record of a deployment is lost with the instance that made it; after as many without an answer it is given up.
LOST_RECORDS: Final = 3


class DeployError(RuntimeError):
    """The code was not deployed; the text holds what Azure said and what to do."""


class LostRecordError(PassingError):
    """Azure took the package, and knows nothing of a deployment any more."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a deployment is waited for, in seconds: in all at most ``watch`` and ``settle`` together.

    Attributes:
        clock: what the time is measured by.
        lost: how long the record of a deployment may be missing until the package is handed over again.
        poll: between two looks.
        push: how long refusals and failures are met by another attempt; a role takes some ten minutes at the most.
        settle: until the triggers are known.
        sleep: what waits.
        watch: until the package is deployed.
    """

    clock: Callable[[], float] = time.monotonic
    lost: float = 60.0
    poll: float = 5.0
    push: float = 900.0
    settle: float = 600.0
    sleep: Callable[[float], None] = time.sleep
    watch: float = 1800.0


@dataclass(frozen=True, kw_only=True)
class Before:
    """What was there before the package was handed over: the newest deployment, and whether the functions were.

    ``when`` is the time by Azure's clock, or None where it did not say.
    """

    deployment: tuple[Any, ...]
    listed: bool
    when: datetime | None


def deploy(props: Mapping[str, Any], credential: TokenCredential) -> None:
    """Hand the package to the app, and wait until Azure lists its functions.

    Args:
        props: those of :class:`infra.deployer.one_deploy.OneDeploy`.
        credential: the deployer's, for Azure Resource Manager.

    Raises:
        DeployError: Azure refused for good, or for longer than a role takes to come into force.
    """
    with connected(credential, props["resource_manager"]) as manager:
        Deployment(manager, props).run()


class Deployment:
    """One package on its way to one app; see :func:`deploy`."""

    def __init__(self, manager: ResourceManager, props: Mapping[str, Any], patience: Patience | None = None) -> None:
        self._functions = frozenset(props["functions"])
        self._patience = patience or Patience()
        self._site = FunctionSite(manager, props)
        self._start = self._patience.clock()

    def run(self) -> None:
        """Hand the package over until it is deployed, then make its triggers known.

        Raises:
            DeployError: see :func:`deploy`.
        """
        lost = 0

        def stop(state: RetryCallState) -> bool:
            nonlocal lost
            error = state.outcome and state.outcome.exception()
            lost += isinstance(error, LostRecordError)
            return lost >= LOST_RECORDS or self._elapsed() >= self._patience.push

        try:
            Retrying(
                reraise=True,
                retry=retry_if_exception_type(PASSING),
                sleep=self._patience.sleep,
                stop=stop,
                wait=self._pause,
            )(self._push)
        except (*PASSING, RefusedError) as error:
            raise DeployError(
                f"The function's code was not deployed to {self._site.app_id}: {error} Given up after "
                f"{self._elapsed():.0f} s. Mend what Azure names (a new role takes up to ten minutes to come into "
                "force), then run 'pulumi up' again: all else is there."
            ) from error
        self._settle()

    def _push(self) -> None:
        before = self._before()
        self._watch(self._site.hand_over(), before)

    def _watch(self, handed: Answer, before: Before) -> None:
        """Follow the deployment that began with an answer to its end, which is status 4 alone."""
        deployment = properties(handed)
        # An answer without a status is unfinished, and "latest" may go on showing the deployment before this one.
        where = self._site.location(handed)
        missing_since: float | None = None
        while (status := deployment.get("status")) != SUCCESS:
            if status in FAILURES:
                reason = deployment.get("status_text") or deployment.get("message") or "Azure gave no reason"
                raise PassingError(f"The deployment {FAILURES[status]}: {reason}.")
            if self._elapsed() >= self._patience.watch:
                raise RefusedError(f"The deployment still has the status {status}: it is neither done nor failed.")
            self._patience.sleep(self._patience.poll)
            try:
                answer = self._site.look(where)
            except PASSING as error:
                if not isinstance(error, PassingError) or error.status != 404:
                    # The site is restarted by the deployment itself, and whoever asks is throttled now and then.
                    self._patience.sleep(getattr(error, "retry_after", 0.0))
                    continue
                if where != self._site.latest:
                    where = self._site.latest
                    continue
                now = self._patience.clock()
                missing_since = now if missing_since is None else missing_since
                if self._deployed_all_the_same(before):
                    return
                if now - missing_since >= self._patience.lost:
                    raise LostRecordError(
                        f"Azure took the package and then knew no deployment (GET {where.partition('?')[0]} "
                        "answered 404), and nothing shows that the package is the one that the app runs."
                    ) from error
            else:
                missing_since = None
                found = properties(answer)
                deployment = {} if identity(found) == before.deployment else found
                if answer.status != 202 and "status" not in found:
                    where = self._site.latest

    def _deployed_all_the_same(self, before: Before) -> bool:
        """Tell whether a deployment whose record is gone took place.

        The functions that Azure lists tell it for an app that had none. One that had them tells nothing by them, but
        the platform's copy of the package is newer than the request then.
        """
        if not self._functions <= self._site.listed():
            return False
        if not before.listed:
            return True
        modified = self._site.package_modified()
        # Both times are the services' own, in whole seconds.
        return before.when is not None and modified is not None and modified >= before.when

    def _settle(self) -> None:
        """Have the triggers made known until Azure lists the functions.

        One call is not enough: it fails while the host restarts, and a host that has not taken the package yet makes
        its placeholder known instead. Source: https://github.com/Azure/azure-functions-host/issues/11873
        """
        end = self._patience.clock() + self._patience.settle
        synced = False
        said = "Every call of syncfunctiontriggers succeeded."
        while True:
            pause = self._patience.poll
            try:
                self._site.sync_triggers()
                synced = True
            except PASSING as error:
                said = f"The last refusal: {error}"
                pause = max(pause, getattr(error, "retry_after", 0.0))
            except RefusedError as error:
                raise DeployError(
                    f"The function's code is deployed to {self._site.app_id}, but its triggers cannot be made known: "
                    f"{error} The deployer needs Microsoft.Web/sites/syncfunctiontriggers/action; then run 'pulumi up' "
                    "again."
                ) from error
            listed = self._site.listed()
            if synced and self._functions <= listed:
                return
            if self._patience.clock() + pause > end:
                raise DeployError(
                    f"The function's code is deployed to {self._site.app_id}, but after {self._patience.settle:.0f} s "
                    f"Azure lists {', '.join(sorted(listed)) or 'no function'} and not "
                    f"{', '.join(sorted(self._functions - listed)) or 'its triggers'}, so nothing would run. {said} A "
                    "function that cannot be imported is not listed: look at the app's exceptions in Application "
                    "Insights and at 'Diagnose and solve problems' of the app, then run 'pulumi up' again."
                )
            self._patience.sleep(pause)

    def _before(self) -> Before:
        try:
            latest = properties(self._site.look(self._site.latest))
        except PassingError as error:
            if error.status != 404:
                raise
            latest = {}
        listed = self._functions <= self._site.listed()
        return Before(deployment=identity(latest) or ("none",), listed=listed, when=self._site.date)

    def _elapsed(self) -> float:
        return self._patience.clock() - self._start

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome and state.outcome.exception()
        wait = wait_exponential(multiplier=self._patience.poll, max=60)(state)
        return max(wait, error.retry_after if isinstance(error, PassingError) else 0.0)
