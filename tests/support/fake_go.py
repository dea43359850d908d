"""A `go` that answers at once and notes what it was asked: for tests of the builder, not for building."""

from __future__ import annotations

from pathlib import Path

SCRIPT = """#!/bin/sh
# In the folder beside this script: `version`, `calls`; `module` = a folder, of the packages' module; `fail` = what to
# say while failing to build; `wait` = build only when it is gone.
notes={notes}
echo "$*" >> "$notes/calls"
case "$1 $2" in
"env "*) cat "$notes/version" ;;
"list -f") echo "$notes/module" ;;
"list "*) printf 'fmt\\nmain/one\\nmain/two\\n'; echo 'go: downloading example.com/dep v1.0.0' >&2 ;;
"build "*)
    echo $$ > "$notes/building"
    while [ -e "$notes/wait" ]; do sleep 0.05; done
    if [ -e "$notes/fail" ]; then cat "$notes/fail" >&2; exit 1; fi
    printf 'main/one\\nmain/two\\n' >&2
    echo '#!/bin/sh' > "$4"; chmod +x "$4" ;;
esac
"""


class FakeGo:
    """`bin` belongs on PATH."""

    def __init__(self, folder: Path, version: str = "go1.26.8") -> None:
        self.bin = folder / "bin"
        self.notes = folder / "notes"
        for made in (self.bin, self.notes):
            made.mkdir(parents=True)
        (self.notes / "version").write_text(version + "\n")
        self.program = self.bin / "go"
        self.program.write_text(SCRIPT.format(notes=self.notes))
        self.program.chmod(0o755)

    def built(self) -> list[str]:
        """The names of the programs it was asked to build, in order."""
        calls = self.notes / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return [Path(line.split()[3]).name.removesuffix(".part") for line in lines if line.startswith("build ")]

    def fail(self, said: str | None) -> None:
        """Let builds fail with these words, or succeed again."""
        self._note("fail", said)

    def wait(self, holding: bool) -> None:
        """Let builds wait, or go on."""
        self._note("wait", "" if holding else None)

    @property
    def building(self) -> int | None:
        """The process id of the last build."""
        note = self.notes / "building"
        text = note.read_text().strip() if note.exists() else ""
        return int(text) if text else None

    def _note(self, name: str, text: str | None) -> None:
        if text is None:
            (self.notes / name).unlink(missing_ok=True)
        else:
            (self.notes / name).write_text(text)
