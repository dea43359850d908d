"""Who commits in tests, and when."""

from __future__ import annotations

from controller.git.commit import Person, Stamp

BOT = Person("Tandem", "tandem@localhost")
GRACE = Person("Grace", "grace@example.com")
NOON = 1_700_000_000  # seconds since 1970


def stamp(author: Person = GRACE, time: int = NOON) -> Stamp:
    """A stamp by somebody, committed by the controller."""
    return Stamp(author=author, committer=BOT, time=time)
