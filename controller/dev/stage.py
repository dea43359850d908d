"""What the demo does, as a developer and as an operator on call, and what it looks at on either side.

A look returns what it saw, or raises `NotYetError` with what was there instead.
"""

from __future__ import annotations

import json
import re
import shlex

from controller.dev import sample
from controller.dev.children import Child
from controller.dev.repository import Clone
from controller.dev.session import Session
from controller.dev.waiting import NotYetError
from controller.objects import Json

COLUMNS = "NAME:.metadata.name,REPLICAS:.spec.replicas,IMAGE:.spec.template.spec.containers[0].image"
IMAGE = "/spec/template/spec/containers/{name=web}/image"
EDITOR = """#!/bin/sh
# What `kubectl edit` calls in place of an editor for people.
sed -e {script} "$1" > "$1.edited" && mv "$1.edited" "$1"
"""


class Stage:
    """The Deployment `web` and its file, between two people and the controller."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.kubectl = session.kubectl
        self.repository = session.repository
        self._clone = Clone(session.folder / "clone", session.url_with_credentials)

    # --- what people do --------------------------------------------------------------------------------------------

    def publish(self, text: str, message: str) -> str:
        """A developer commits and pushes web.yaml; the commit's id."""
        self._clone.pull()
        return self._clone.publish({sample.WEB: text}, message)

    def edit_live(self, old: str, new: str) -> None:
        """An operator runs `kubectl edit` and replaces `old` by `new`."""
        editor = self.session.folder / "editor"
        editor.write_text(EDITOR.format(script=shlex.quote(f"s|{old}|{new}|")))
        editor.chmod(0o700)
        self.kubectl("edit", "deployment", "web", environ={"KUBE_EDITOR": shlex.quote(str(editor))})

    def suspend(self, *, yes: bool) -> None:
        """Have the Fabric left alone, or go on with it."""
        patch = json.dumps({"spec": {"suspend": yes}})
        self.kubectl("patch", "fabric", sample.NAME, "--type=merge", f"--patch={patch}")

    # --- what is seen ----------------------------------------------------------------------------------------------

    def table(self) -> str:
        """The Deployment as kubectl shows it."""
        return self.kubectl("get", "deployment", "web", f"--output=custom-columns={COLUMNS}")

    def declared_lines(self) -> list[str]:
        """The same two fields as main has them, comments and all."""
        return re.findall(r"^.*(?:replicas|image):.*$", self.repository.show(sample.WEB), re.MULTILINE)

    def live(self, replicas: int, image: str) -> None:
        """The Deployment has these two values."""
        found = self.kubectl.find("deployment", "web")
        if found is None:
            raise NotYetError("kubectl shows no Deployment web")
        spec = found["spec"]
        seen = (spec["replicas"], spec["template"]["spec"]["containers"][0]["image"])
        if seen != (replicas, image):
            raise NotYetError(f"the Deployment web has {seen[0]} replicas of {seen[1]}")

    def commit_after(self, before: str) -> str:
        """The one commit that main has on top of `before`."""
        commits = self.repository.commits(before)
        if not commits:
            raise NotYetError(f"main is still at {before}")
        if len(commits) > 1:
            raise NotYetError(f"main has {len(commits)} commits on top of {before}")
        return commits[0]

    def one_line(self, commit: str, before: str, after: str) -> None:
        """The commit changed one line of web.yaml and no other file, and turned the text `before` into `after`."""
        changed = self.repository.changed_lines(commit)
        if changed != [f"1\t1\t{sample.WEB}"]:
            raise NotYetError(f"{commit} changed (lines added, removed, file): {'; '.join(changed)}")
        if before == after or self.repository.show(sample.WEB) != after:
            raise NotYetError(f"{commit} changed another line, or more of it:\n{self.repository.patch(commit)}")

    def edited_with(self, commit: str, manager: str) -> None:
        """The commit names this field manager as the editor."""
        if (seen := self.repository.trailer(commit, "Field-Manager")) != manager:
            raise NotYetError(f"{commit} names {seen or 'nobody'} as the editor, not {manager}")

    def main_is(self, commit: str) -> None:
        """Nobody has pushed on top of this commit."""
        if (seen := self.repository.head()) != commit:
            raise NotYetError(f"main is at {seen}, not at {commit}")

    def open_conflict(self) -> Json:
        """The one conflict there is, waiting for a decision."""
        found = self.kubectl.items("syncconflicts")
        states = [conflict.get("status", {}).get("state", "not looked at") for conflict in found]
        if states != ["Open"]:
            raise NotYetError(f"kubectl shows {len(found)} SyncConflicts ({', '.join(states) or 'none'})")
        return found[0]

    def clash(self, conflict: Json, base: str, git: str, cluster: str) -> None:
        """The conflict is about the image and nothing else, and names these three values."""
        seen = [
            (field["path"], *(field.get(side) for side in ("base", "git", "cluster"))) for field in _fields(conflict)
        ]
        if seen != [(IMAGE, base, git, cluster)]:
            raise NotYetError(f"the SyncConflict names {seen}")

    def settled(self, name: str) -> None:
        """The conflict was resolved."""
        found = self.kubectl.find("syncconflict", name) or {}
        state = found.get("status", {}).get("state", "not there")
        if state != "Resolved":
            raise NotYetError(f"SyncConflict {name} is {state}")

    def controller_state(self) -> str:
        """Whether the controller runs, and what it said last: why something may not have become true."""
        if not self.session.setup.controller:
            return "no controller was started, as asked for"
        child: Child = self.session.controller.child
        state = "runs" if child.running else f"ended with {child.exit_code}"
        return f"the controller {state}; its log ({child.log}) says last:\n{child.log_tail(5)}"


def _fields(conflict: Json) -> list[Json]:
    fields: list[Json] = conflict["spec"]["fields"]
    return fields
