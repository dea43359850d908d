"""Fabric: one directory of one Git repository ↔ the objects of some kinds in some namespaces."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from controller.api.meta import (
    LABEL_LENGTH,
    NAME_LENGTH,
    Cel,
    Column,
    Duration,
    ListMap,
    ListSet,
    Model,
    NameRef,
    Resource,
    Within,
)
from controller.api.v1alpha1.attribution import Attribution
from controller.api.v1alpha1.fabricstatus import FabricStatus
from controller.api.v1alpha1.receivers import Receiver
from controller.api.v1alpha1.repository import Repository
from controller.api.v1alpha1.values import (
    GROUP,
    KIND,
    SERVICE_ACCOUNT,
    Directory,
    KindName,
    ManagerGlob,
    NamespaceName,
    PathPattern,
    Recipient,
)


class Layout(StrEnum):
    """How the directory is arranged."""

    PLAIN = "Plain"


class Direction(StrEnum):
    """Which way changes flow."""

    BIDIRECTIONAL = "Bidirectional"
    GIT_TO_CLUSTER = "GitToCluster"
    CLUSTER_TO_GIT = "ClusterToGit"


class KindDirection(StrEnum):
    """Which way changes of one kind flow: a fabric's directions, and two that only a kind can have."""

    BIDIRECTIONAL = "Bidirectional"
    GIT_TO_CLUSTER = "GitToCluster"
    CLUSTER_TO_GIT = "ClusterToGit"
    DISABLED = "Disabled"
    MANUAL_ONLY = "ManualOnly"


class ConflictStrategy(StrEnum):
    """Who wins where both sides changed the same field."""

    USER_GUIDED = "UserGuided"
    GIT_WINS = "GitWins"
    CLUSTER_WINS = "ClusterWins"
    MERGE = "Merge"
    TIMESTAMP_WINS = "TimestampWins"


class WriteMode(StrEnum):
    """How live edits get to the branch."""

    PUSH = "Push"
    PULL_REQUEST = "PullRequest"


class Propagate(StrEnum):
    """What becomes of a deletion in the cluster that nobody is known to have meant."""

    CONFLICT = "Conflict"
    OBSERVED = "Observed"
    NEVER = "Never"


class OnRemoval(StrEnum):
    """What becomes of the objects when the Fabric is deleted."""

    ORPHAN = "Orphan"
    PRUNE = "Prune"


class Target(Model):
    """Which part of the cluster takes part."""

    namespaces: Annotated[
        tuple[NamespaceName, ...],
        Field(
            max_length=100,
            description='The namespaces whose objects take part. Empty: the Fabric\'s own namespace. ["*"]: all. Other '
            "namespaces than the own one only where the controller runs with --allow-namespaces. A document without "
            "metadata.namespace goes to the first entry (to the own namespace for *).",
        ),
        ListSet(),
        Cel("!self.exists(n, n == '*') || size(self) == 1", "* means all namespaces and stands alone"),
    ] = ()
    cluster_scoped: bool = Field(
        default=False,
        description="Whether cluster-scoped objects take part, such as Namespaces, CRDs and ClusterRoles; only where "
        "the controller runs with --allow-namespaces *.",
    )
    service_account_name: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=NAME_LENGTH,
            description="The service account of the Fabric's namespace that objects are written as, and whose rights "
            "to get, list and watch decide what is seen at all. It need not exist as an object: its name is "
            "impersonated. Default: default; with kubeconfigSecretRef, the user of the kubeconfig.",
        ),
        SERVICE_ACCOUNT,
    ] = None
    kubeconfig_secret_ref: NameRef | None = Field(
        default=None,
        description="A Secret of this namespace with a kubeconfig under value, else under kubeconfig: the objects are "
        "in that cluster. Inline data only: a token, or a client certificate with its key; no programs, files, proxy "
        "or password. Absent: the cluster that the Fabric is in.",
    )


class ResourceRule(Model):
    """One kind that takes part, and how."""

    group: Annotated[
        str,
        Field(max_length=NAME_LENGTH, description="The API group without version; empty for the core group."),
        GROUP,
    ] = ""
    kind: Annotated[
        str, Field(min_length=1, max_length=LABEL_LENGTH, description="The kind, such as Deployment."), KIND
    ]
    directory: Annotated[
        Directory | None,
        Field(
            description="Where an imported object's document is put, below repository.directory. Default: the kind's "
            "plural, such as deployments."
        ),
    ] = None
    direction: KindDirection | None = Field(
        default=None,
        description="Which way changes of this kind flow. Default: sync.direction. Disabled: this kind is left alone "
        "on both sides. ManualOnly: it takes part only in runs that a SyncJob asks for.",
    )
    import_: bool = Field(
        default=False,
        alias="import",
        description="Whether objects of this kind that only the cluster has are written to Git. Objects with an owner, "
        "objects of other tools (Helm, Argo CD, Flux), what the system makes itself, and Secrets are never imported.",
    )


class Editors(Model):
    """Which field managers are people. Entries add to the defaults and come before them."""

    include: Annotated[
        tuple[ManagerGlob, ...],
        Field(
            max_length=100,
            description="Managers whose changes are edits, as globs over the whole name. Added to the defaults: "
            "kubectl*, k9s, lens*, headlamp*, Mozilla, *dashboard*, tandem-rest. !glob takes a default back.",
        ),
        ListSet(),
    ] = ()
    exclude: Annotated[
        tuple[ManagerGlob, ...],
        Field(
            max_length=100,
            description="Managers whose changes are left alone and only counted. Added to the defaults: the "
            "Kubernetes controllers, *-controller, *-operator, helm, argocd*, flux* and others. !glob takes a default "
            "back. Where include and exclude both match, exclude wins.",
        ),
        ListSet(),
    ] = ()


class Sync(Model):
    """How the two sides are kept in step."""

    direction: Direction = Field(
        default=Direction.BIDIRECTIONAL,
        description="Bidirectional: commits become live objects and live edits become commits. GitToCluster: live "
        "edits of declared fields are put back. ClusterToGit: Git follows the cluster.",
    )
    interval: Annotated[
        Duration,
        Field(description="How often the branch is looked at when nobody asks for it, from 1s to 24h."),
        Within("1s", "24h"),
    ] = Duration("1m")
    conflict_strategy: ConflictStrategy = Field(
        default=ConflictStrategy.USER_GUIDED,
        description="What happens to a field that both sides changed, and to an object that both sides had before "
        "Tandem did. UserGuided: a SyncConflict waits for a decision. GitWins, ClusterWins: that side's value. Merge: "
        "lists and maps are united, scalars wait for a decision. TimestampWins: the later change; unknown times wait "
        "for a decision.",
    )
    auto_resolve_simple: bool = Field(
        default=False,
        description="Whether conflicts in which no scalar clashes are resolved by merging, whatever the strategy.",
    )
    write: WriteMode = Field(
        default=WriteMode.PUSH,
        description="How live edits get to the branch. Push: as commits. PullRequest: on a branch of the Fabric's own, "
        "as one pull request that further edits are added to; until it is merged or closed they stay as they are in "
        "the cluster. Where repository.forge is set, Push ends in a pull request if the branch does not take commits.",
    )
    batch_window: Annotated[
        Duration,
        Field(description="How long live edits are gathered before they are committed together, from 0s to 60s."),
        Within("0s", "60s"),
    ] = Duration("500ms")
    max_edits: Annotated[
        int,
        Field(
            ge=0,
            le=100_000,
            description="The most objects whose live edits one plan may write to Git; more stop the plan with "
            "EditGuard until they are confirmed. Imports do not count.",
        ),
    ] = 200
    max_commits_per_hour: Annotated[
        int,
        Field(
            ge=0,
            le=10_000,
            description="The most commits an hour for edits of one object; after that its edits are a conflict. 0: no "
            "limit.",
        ),
    ] = 20
    editors: Editors = Field(default=Editors(), description="Which field managers are people, and which are programs.")


class Deletion(Model):
    """What a deletion on one side does to the other."""

    prune: bool = Field(
        default=True,
        description="Whether an object whose document was removed from Git is deleted. false: kept, and forgotten.",
    )
    propagate: Propagate = Field(
        default=Propagate.CONFLICT,
        description="What the deletion of a declared object in the cluster does. Conflict: it opens a SyncConflict. "
        "Observed: the document is removed from Git after settle. Never: the object is created again.",
    )
    settle: Annotated[
        Duration,
        Field(
            description="With propagate Observed: how long an object must stay away before its document is removed, "
            "from 0s to 1h."
        ),
        Within("0s", "1h"),
    ] = Duration("30s")
    max_deletions: Annotated[
        int,
        Field(
            ge=0,
            le=100_000,
            description="The most deletions, on either side, that one plan may hold; more stop the plan with "
            "DeletionGuard until they are confirmed.",
        ),
    ] = 100
    max_deletion_percent: Annotated[
        int,
        Field(
            ge=0,
            le=100,
            description="The most deletions as a percentage of the objects that are kept in step; counted from 10 "
            "deletions up.",
        ),
    ] = 50
    on_removal: OnRemoval = Field(
        default=OnRemoval.ORPHAN,
        description="What deleting the Fabric does to its objects. Orphan: nothing. Prune: they are deleted from the "
        "cluster. Git is not touched in either case.",
    )


class IgnoreRule(Model):
    """Differences that are never edits and never put back."""

    rules: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "(has(self.paths) && size(self.paths) > 0) || (has(self.managers) && size(self.managers) > 0)",
            "an ignore rule names paths, managers, or both",
        ),
    )

    kinds: Annotated[
        tuple[KindName, ...],
        Field(max_length=100, description="The kinds it is for, such as Deployment or Deployment.apps. Empty: all."),
        ListSet(),
    ] = ()
    paths: Annotated[
        tuple[PathPattern, ...],
        Field(
            max_length=100,
            description="JSON pointers of fields that are left alone with all below them. * stands for one segment, "
            "{name=web} for an element of a keyed list.",
        ),
        ListSet(),
    ] = ()
    managers: Annotated[
        tuple[ManagerGlob, ...],
        Field(max_length=100, description="Field managers, as globs, whose fields are left alone."),
        ListSet(),
    ] = ()


class Encryption(Model):
    """Encrypted files in Git: SOPS files with age keys."""

    recipients: Annotated[
        tuple[Recipient, ...],
        Field(
            max_length=50,
            description="The age recipients (age1…, X25519) that Secrets are encrypted for where Tandem writes them to "
            "Git: imported ones, and edits of ones that stand there in clear text. A file that is encrypted already "
            "keeps its own. Empty: no Secret is written but into a file that is encrypted. .sops.yaml is not read.",
        ),
        ListSet(),
    ] = ()
    identity_secret_ref: NameRef | None = Field(
        default=None,
        description="A Secret of this namespace whose entries that end in .agekey hold age identities, one a line, as "
        "age-keygen writes them: encrypted files are opened with them. Needed with recipients where anything is "
        "written; one of the recipients must belong to one of the identities.",
    )


_READS_ONLY = (
    "self.sync.direction == 'GitToCluster' && (!has(self.resources) || "
    "!self.resources.exists(r, has(r.direction) && r.direction in ['Bidirectional', 'ClusterToGit']))"
)
"""CEL: nothing is ever written to Git."""


class FabricSpec(Model):
    """What is kept in step, and how."""

    rules: ClassVar[tuple[Cel, ...]] = (
        Cel(
            f"self.repository.verify.mode != 'Tag' || ({_READS_ONLY})",
            "verify mode Tag is for direction GitToCluster alone: what is written to a branch is on no tag",
        ),
        Cel(
            f"self.repository.verify.mode != 'Head' || has(self.repository.signWithSecretRef) || ({_READS_ONLY})",
            "verify mode Head with a direction that writes needs signWithSecretRef: a commit of Tandem's without a "
            "signature would not be applied",
        ),
        Cel(
            "!has(self.encryption.recipients) || size(self.encryption.recipients) == 0 || "
            f"has(self.encryption.identitySecretRef) || ({_READS_ONLY})",
            "encryption.recipients with a direction that writes needs encryption.identitySecretRef: Tandem could not "
            "read what it wrote",
        ),
    )

    repository: Repository = Field(description="The Git side: repository, branch and directory.")
    layout: Layout = Field(
        default=Layout.PLAIN,
        description="How the directory is arranged. Plain: every YAML or JSON document below it whose kind takes part, "
        "wherever it lies.",
    )
    target: Target = Field(default=Target(), description="The cluster side: which namespaces take part.")
    resources: Annotated[
        tuple[ResourceRule, ...],
        Field(
            max_length=200,
            description="The kinds that take part. Empty: the kinds that the documents hold, and nothing is imported.",
        ),
        ListMap(("group", "kind")),
    ] = ()
    sync: Sync = Field(default=Sync(), description="Direction, interval, conflicts and write-back.")
    deletion: Deletion = Field(default=Deletion(), description="What a deletion on one side does to the other.")
    attribution: Attribution = Field(
        default=Attribution(),
        description="Who the authors of commits are. It takes the webhook for attribution: without it nobody is known, "
        "and every commit is repository.author's.",
    )
    encryption: Encryption = Field(
        default=Encryption(), description="With which keys encrypted files are opened, and Secrets written."
    )
    ignore: Annotated[
        tuple[IgnoreRule, ...],
        Field(max_length=64, description="Differences that are left alone, beside the built-in ones."),
    ] = ()
    notify: Annotated[
        tuple[Receiver, ...],
        Field(
            max_length=10,
            description="Who is told of conflicts, guards, failures and recoveries: one message for each transition.",
        ),
    ] = ()
    suspend: bool = Field(
        default=False,
        description="true: nothing is read, applied, written or deleted until it is false again; a run under way is "
        "finished.",
    )


class Fabric(Resource):
    """Keeps one directory of one Git repository and the objects of some kinds in some namespaces in step, both ways."""

    rules: ClassVar[tuple[Cel, ...]] = (
        Cel("size(self.metadata.name) <= 63", "the name of a Fabric has at most 63 characters; it becomes a label"),
    )
    plural: ClassVar[str] = "fabrics"
    short_name: ClassVar[str] = "fab"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
        Column("Reason", ".status.conditions[?(@.type=='Ready')].reason"),
        Column("Revision", ".status.revision.applied", description="The commit that is in step"),
        Column("Objects", ".status.inventory.kept", type="integer"),
        Column("Conflicts", ".status.conflicts", type="integer"),
        Column("Suspended", ".spec.suspend", type="boolean"),
        Column("Age", ".metadata.creationTimestamp", type="date"),
        Column("URL", ".spec.repository.url", priority=1),
        Column("Branch", ".spec.repository.branch", priority=1),
        Column("Directory", ".spec.repository.directory", priority=1),
        Column("Message", ".status.conditions[?(@.type=='Ready')].message", priority=1),
    )

    kind: Literal["Fabric"] = "Fabric"
    spec: FabricSpec = Field(description="What is kept in step, and how.")
    status: FabricStatus = Field(default=FabricStatus(), description="What the controller last saw and did.")
