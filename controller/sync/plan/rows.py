"""The rows of the decision table, by their text. – is absent; B, D, A are base, declared, actual.

A change names the row that it came from, so that a person who asks *why* gets a place in the documentation, and every
test of the table carries the name of what it proves.
"""

from __future__ import annotations

from enum import StrEnum


class Row(StrEnum):
    """`B | D | A`, as in the documentation's table; below it what comes before the table."""

    D_UNKNOWN = "any | unknown | any"
    A_UNKNOWN = "any | any | unknown"
    TERMINATING = "any | any | terminating"
    DECLARED_ONLY = "– | D | –"
    DECLARED_AS_IS = "– | D | = D"
    DECLARED_OTHERWISE = "– | D | ≠ D"
    VANISHED = "B | D = B | –"
    VANISHED_AND_DECLARED_ANEW = "B | D ≠ B | –"
    OTHER_UID = "B | D | other uid than B's"
    UNDECLARED_OTHER_UID = "B | – | other uid than B's"
    UNDECLARED = "B | – | = B"
    UNDECLARED_AND_EDITED = "B | – | ≠ B"
    GONE = "B | – | –"
    ACTUAL_ONLY = "– | – | A"
    STEADY = "B | = B | = B"
    DECLARED_ANEW = "B | ≠ B | = B"
    EDITED = "B | = B | ≠ B"
    MET = "B | ≠ B | A = D"
    BOTH_MOVED = "B | ≠ B | ≠ B, ≠ D"

    NOTHING = "– | – | –"
    NO_PART = "direction: takes no part"
    OUT_OF_SCOPE = "out of scope"
    DISABLED = "tandem.dev/reconcile: disabled"
    IF_ABSENT = "tandem.dev/apply: if-absent"
    UNPROVEN = "B of another epoch or version | D | A"
    UNPROVEN_UNDECLARED = "B of another epoch | – | A"


UNDECLARED_ROWS = frozenset(
    {Row.UNDECLARED_OTHER_UID, Row.UNDECLARED, Row.UNDECLARED_AND_EDITED, Row.GONE, Row.UNPROVEN_UNDECLARED}
)
"""An object with a base is in no document now: what a rewritten history must not bring about unseen."""
