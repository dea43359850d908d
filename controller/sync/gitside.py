"""What a Fabric's spec says of the Git side, in the engine's words: repository, branch, forge, the way of writing.

Pure. The rest of the spec is in `profile.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controller.api.meta import NameRef
from controller.api.v1alpha1.fabric import FabricSpec, WriteMode
from controller.api.v1alpha1.repository import ForgeType, Repository, VerifyMode
from controller.git.forge.place import ForgePlace, check_api, place_of


@dataclass(frozen=True, slots=True)
class ForgeAccess:
    """A fabric's forge, and the Secret that opens it."""

    place: ForgePlace
    secret: NameRef
    comment_plans: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fabric's documents are."""

    url: str
    branch: str
    directory: str  # "" is the repository's root; never a leading or trailing slash
    credentials: NameRef | None
    author_name: str
    author_email: str
    max_bytes: int = 1 << 30
    max_files: int = 100_000
    verify: VerifyMode = VerifyMode.NONE
    keys: NameRef | None = None
    signing: NameRef | None = None
    forge: ForgeAccess | None = None  # None: branches are all there is
    push_branch: str = ""
    write: WriteMode = WriteMode.PUSH
    falls_back: bool = False  # a branch that does not take commits gets a pull request instead

    @property
    def proposes(self) -> bool:
        """Whether live edits go to another branch than the one that is followed."""
        return self.write is WriteMode.PULL_REQUEST or bool(self.push_branch)

    @property
    def place(self) -> tuple[str, str]:
        """(URL, branch): fabrics that share it hand objects over to each other."""
        return self.url, self.branch

    @property
    def fingerprint(self) -> str:
        """What must not change without a look at what vanishes: another URL, branch or directory."""
        return f"{self.url}\n{self.branch}\n{self.directory}"


def source_of(spec: FabricSpec) -> Source:
    """The Git side of a spec. Raises ValueError for a URL that is none of a forge's."""
    repository = spec.repository
    directory = repository.directory.strip("/")
    return Source(
        url=repository.url,
        branch=repository.branch,
        directory="" if directory in {"", "."} else directory,
        credentials=repository.credentials_secret_ref,
        author_name=repository.author.name,
        author_email=repository.author.email,
        max_bytes=repository.max_bytes,
        max_files=repository.max_files,
        verify=repository.verify.mode,
        keys=repository.verify.keys_secret_ref,
        signing=repository.sign_with_secret_ref,
        forge=_forge(repository),
        push_branch=repository.push_branch or "",
        write=spec.sync.write,
        falls_back=repository.forge is not None,
    )


def _forge(repository: Repository) -> ForgeAccess | None:
    """Raises ValueError for a URL that is none of a forge's."""
    forge = repository.forge
    if forge is None or forge.type is ForgeType.LOCAL or forge.token_secret_ref is None:
        return None
    place = place_of(forge.type, repository.url, forge.api_url, repository.branch)
    return ForgeAccess(place, forge.token_secret_ref, forge.comment_plans)


def forge_problems(spec: FabricSpec, *, allow_insecure: bool) -> Iterator[str]:
    """A forge without a token, an API that no token is sent to, and a repository that no forge can have."""
    forge = spec.repository.forge
    if forge is not None and forge.type is not ForgeType.LOCAL and forge.token_secret_ref is None:
        yield "spec.repository.forge.tokenSecretRef: name the Secret with the token for the forge's API"
    try:
        if forge is not None and forge.api_url is not None:
            check_api(forge.api_url, allow_insecure=allow_insecure)
        _forge(spec.repository)
    except ValueError as error:
        yield str(error)
