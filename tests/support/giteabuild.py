"""Gitea, built once from its recipe into Tandem's cache: `python -m tests.support.giteabuild`.

Only tests need it, so neither the demo nor the product builds it. Without CGO it has no SQLite, and keeps its data in
the PostgreSQL that the tests have anyway; in return no C compiler is needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from controller.dev.build import build_programs
from controller.dev.errors import BuildError
from controller.dev.progress import Progress
from controller.dev.recipe import Recipe, is_built
from controller.folders import tandem_cache

MODULE = "code.gitea.io/gitea"
READ = ("options", "public", "templates")  # what the program reads when it runs; compiled in only in its own releases


def gitea_recipe() -> Recipe:
    """The Gitea server."""
    return Recipe(Path(__file__).with_name("recipes") / "gitea", {"gitea": MODULE}, beside=READ)


def ensure_gitea(environ: Mapping[str, str], progress: Progress) -> Path:
    """The program, built now if it is not there; what it reads lies beside it. Raises `BuildError`."""
    recipe = gitea_recipe()
    target = tandem_cache(environ) / "gitea" / recipe.version(MODULE)
    if not is_built(target, [recipe]):
        progress.say(f"Gitea {target.name} is built once, for the tests: about four minutes on 2 cores.")
        build_programs([recipe], target, environ, progress)
    return target / "gitea"


def main() -> int:
    """See to it that it is there, and tell where."""
    progress = Progress()
    try:
        progress.say(f"gitea: {ensure_gitea(os.environ, progress)}")
    except BuildError as error:
        progress.say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        progress.say("Interrupted. The next build goes on from here.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
