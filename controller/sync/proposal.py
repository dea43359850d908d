"""What a pull request is called and says: which objects' edits it holds, who made them, and what merging it does. Pure.

Names and managers come from whoever may write objects, so they are shown as code, where Markdown means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from controller.git.forge.model import Proposal
from controller.objects import ObjectKey
from controller.sync.naming import write_back_title
from controller.sync.plan.fieldpath import render_path
from controller.sync.plan.model import Pending

MOST_OBJECTS = 50  # named in the text; the commits name all
MOST_FIELDS = 20  # of one object
LONGEST_NAME = 200  # characters of a path or a manager


def proposal_of(fabric: str, branch: str, wanted: Mapping[ObjectKey, Pending], *, is_second_choice: bool) -> Proposal:
    """The request of a fabric (`<namespace>/<name>`). `is_second_choice`: the branch itself did not take the edits."""
    count = "1 object" if len(wanted) == 1 else f"{len(wanted)} objects"
    why = f"`{branch}` does not take commits from Tandem, so they wait here." if is_second_choice else ""
    lines = [
        f"Live edits of {count}, found in the cluster by the Fabric {_code(fabric)}. {why}".rstrip(),
        "",
        *_objects(wanted),
        "",
        "While this request is open the edits stay as they are in the cluster, and further ones are added to it. "
        f"Merged, in whatever way, `{branch}` says what the cluster says. Closed without being merged, or with its "
        "branch deleted, each object becomes a conflict for somebody to decide.",
    ]
    return Proposal(write_back_title(len(wanted), fabric), "\n".join(lines))


def _objects(wanted: Mapping[ObjectKey, Pending]) -> Iterator[str]:
    for key in sorted(wanted)[:MOST_OBJECTS]:
        yield f"- {_code(str(key))}: {_fields(wanted[key])}"
    if len(wanted) > MOST_OBJECTS:
        yield f"- and {len(wanted) - MOST_OBJECTS} more"


def _fields(pending: Pending) -> str:
    if pending.deleted:
        return "deleted in the cluster; its document is removed"
    if any(edit.path == () for edit in pending.edits):
        return "made in the cluster; its document is added"
    paths = sorted({render_path(edit.path) for edit in pending.edits if edit.path not in pending.omitted})
    managers = sorted({edit.manager for edit in pending.edits if edit.manager})
    more = f" and {len(paths) - MOST_FIELDS} more" if len(paths) > MOST_FIELDS else ""
    by = f", by {', '.join(map(_code, managers[:MOST_FIELDS]))}" if managers else ""
    return f"{', '.join(map(_code, paths[:MOST_FIELDS]))}{more}{by}"


def _code(text: str) -> str:
    """Text that is shown as it is: no markup, no mention of anybody, no line of its own."""
    plain = "".join(character for character in text if character.isprintable() and character != "`")
    return f"`{plain[:LONGEST_NAME]}`"
