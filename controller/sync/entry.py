"""One fabric under care, and when it is due: the next look at its branch, and the next try of what was put off."""

from __future__ import annotations

from dataclasses import dataclass

from controller.runtime.agenda import backoff
from controller.sync.service import FabricService


@dataclass(slots=True)
class Entry:
    """Times are of the process' own clock, in seconds; `tries` counts those of the objects that are put off."""

    service: FabricService
    generation: int
    next_poll: float = 0.0
    handled_request: str = ""
    tries: int = 0
    retry_at: float = 0.0
    was_refused: bool = False

    @property
    def is_refused(self) -> bool:
        """Whether the cluster of its objects did not accept the credentials in the last run, or does not now."""
        return self.was_refused or self.service.state.view.is_refused()

    def take_request(self, requested: str, now: float) -> None:
        """Somebody asked for a run: what was put off, for whatever reason, is tried now."""
        state = self.service.state
        self.handled_request = requested
        state.fights.reset()
        state.dirty.update(state.exceptions)
        self.tries, self.retry_at = 0, now

    def take_up(self, now: float, wall: float) -> None:
        """Make dirty what was put off and may be tried again by now. `wall`: the time of day, which fights go by."""
        state = self.service.state
        state.dirty |= state.fights.ended(wall)
        if self.retry_at > now or not state.retry:
            return
        state.dirty |= state.retry
        if state.unpushed:  # the branch may have moved since, and the credentials may be others
            self.service.look_again()

    def put_off(self, now: float, cap: float) -> float | None:
        """Seconds until single objects are tried again, None when there are none.

        They have a back-off of their own, however often the others make the fabric run.
        """
        if not self.service.state.retry:
            self.tries = 0
            return None
        if self.retry_at <= now:
            self.tries += 1
            self.retry_at = now + backoff(self.tries, cap)
        return self.retry_at - now
