"""The Git side of a Fabric: `spec.repository`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from controller.api.meta import Cel, Model, NameRef
from controller.api.v1alpha1.values import API_URL, BRANCH, ONE_LINE, URL, Directory


class Author(Model):
    """Who the commits of write-backs are by."""

    name: Annotated[
        str, Field(min_length=1, max_length=128, description="The author's name in Tandem's commits."), ONE_LINE
    ] = "Tandem"
    email: Annotated[
        str, Field(min_length=1, max_length=254, description="The author's address in Tandem's commits."), ONE_LINE
    ] = "tandem@localhost"


class VerifyMode(StrEnum):
    """What has to be signed before it is applied."""

    NONE = "None"
    HEAD = "Head"
    TAG = "Tag"


class Verify(Model):
    """Whose signatures are asked for."""

    rules: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "!has(self.mode) || self.mode == 'None' || has(self.keysSecretRef)",
            "verify needs keysSecretRef: the keys that are trusted",
        ),
    )

    mode: VerifyMode = Field(
        default=VerifyMode.NONE,
        description="None: every commit of the branch is applied. Head: the commit that the branch is at must be "
        "signed by a trusted key; while it is not, the last good one stays. Tag: the newest tag that is signed by a "
        "trusted key, and whose commit the branch holds, is applied; only with direction GitToCluster.",
    )
    keys_secret_ref: NameRef | None = Field(
        default=None,
        description="A Secret of this namespace whose entries are the trusted public keys: OpenPGP, or SSH (ed25519, "
        "RSA), one or more in each.",
    )


class ForgeType(StrEnum):
    """Which API is spoken to open pull requests."""

    GITHUB = "GitHub"
    GITEA = "Gitea"
    LOCAL = "Local"


class Forge(Model):
    """The web side of the Git server: where pull requests are."""

    rules: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "self.type == 'Local' ? (!has(self.apiURL) && !has(self.tokenSecretRef) && !(has(self.commentPlans) && "
            "self.commentPlans)) : has(self.tokenSecretRef)",
            "forge needs tokenSecretRef with the types GitHub and Gitea; Local takes neither it nor apiURL, and has no "
            "commentPlans",
        ),
    )

    type: ForgeType = Field(
        description="GitHub: also GitHub Enterprise. Gitea: also Forgejo. Local: a plain server, where a branch is all "
        "there is.",
    )
    api_url: Annotated[
        str | None,
        Field(
            alias="apiURL",
            min_length=1,
            max_length=2048,
            description="Where the forge's API is. Default: https://api.github.com for github.com, /api/v3 of the "
            "repository's host for other GitHubs, /api/v1 for Gitea. The rules for addresses are those of url, and "
            "http:// works only with --allow-insecure-git.",
        ),
        API_URL,
    ] = None
    token_secret_ref: NameRef | None = Field(
        default=None,
        description="A Secret of this namespace with token, which may read the repository and write its pull requests, "
        "their comments and commit statuses; for a GitHub App instead appID, installationID and privateKey; ca.crt for "
        "a private authority. That of credentialsSecretRef is never used in its place.",
    )
    comment_plans: bool = Field(
        default=False,
        description="Whether the plan of each open pull request into the branch is put on it, as a comment that is "
        "kept up to date and as a commit status: what merging it would change in the cluster. Whoever may read the "
        "request reads live values of the objects that it touches, but for Secrets; one from a fork shows no values.",
    )


class Repository(Model):
    """Where the documents are, and how Git is spoken to."""

    url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2048,
            description="The repository's URL, without credentials: https://…, ssh://user@host/path or "
            "user@host:path. Addresses that resolve to loopback or link-local networks or to the API server are "
            "refused unless the controller runs with --allow-insecure-git.",
        ),
        URL,
    ]
    branch: Annotated[
        str,
        Field(
            min_length=1,
            max_length=244,
            description="The branch that is followed and written to. Changing it starts a new comparison: objects "
            "missing by then stop the plan until they are confirmed.",
        ),
        BRANCH,
    ] = "main"
    push_branch: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=244,
            description="The branch that live edits are pushed to, instead of branch; no other Fabric may use it. With "
            "sync.write Push somebody merges it into branch by hand, with PullRequest it is the request's. Default "
            "with PullRequest: tandem/<namespace>/<fabric>-<4 characters of the installation's id>.",
        ),
        BRANCH,
    ] = None
    directory: Annotated[
        Directory,
        Field(
            description="The directory whose documents take part, with everything below it, relative to the "
            "repository's root. Nothing outside it is ever read or written."
        ),
    ] = "."
    credentials_secret_ref: NameRef | None = Field(
        default=None,
        description="A Secret of this namespace. For https: username and password, or bearerToken; ca.crt for a "
        "private authority; tls.crt and tls.key for a client certificate. For ssh: identity, known_hosts, and password "
        "if the key has a passphrase. Absent: the repository is read and written without authentication.",
    )
    hook_secret_ref: NameRef | None = Field(
        default=None,
        description="A Secret of this namespace with token, the secret of the Git server's webhook. With it, `tandem "
        "serve` takes /hooks/{github,gitlab,gitea,generic}/<namespace>/<fabric>, and a push is known at once.",
    )
    author: Author = Field(default=Author(), description="The author of Tandem's commits.")
    max_bytes: Annotated[
        int,
        Field(
            ge=1 << 20,
            le=1 << 40,
            description="The most bytes that the local copy of the repository may have, with the branch's history; "
            "a fetch of more is broken off with RepositoryTooLarge.",
        ),
    ] = 1 << 30
    max_files: Annotated[
        int,
        Field(
            ge=1,
            le=300_000,
            description="The most files below directory, of whatever kind; with more nothing is read "
            "(RepositoryTooLarge).",
        ),
    ] = 100_000
    verify: Verify = Field(default=Verify(), description="Whose signatures are asked for before a commit is applied.")
    sign_with_secret_ref: NameRef | None = Field(
        default=None,
        description="A Secret of this namespace with identity, an SSH private key (ed25519, RSA), and password if it "
        "has a passphrase: Tandem's commits are signed with it. With verify, its public key must be in keysSecretRef.",
    )
    forge: Forge | None = Field(
        default=None,
        description="Where pull requests are opened. Absent: as with type Local.",
    )
