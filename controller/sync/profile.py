"""A Fabric's spec in the engine's words: where its source is, what is in scope, by which rules it is planned. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import chain

from controller.api.meta import CONFIRM, REQUESTED_AT, NameRef
from controller.api.v1alpha1.fabric import Deletion, Fabric, FabricSpec, OnRemoval, ResourceRule
from controller.api.v1alpha1.problems import fabric_problems
from controller.errors import Reason, StalledError
from controller.objects import Kind, ObjectKey
from controller.sops.keys import is_recipient
from controller.sync.gitside import Source, forge_problems, source_of
from controller.sync.naming import field_manager
from controller.sync.plan.fieldpath import parse_pattern
from controller.sync.plan.model import (
    DeletionRules,
    Direction,
    EditorRules,
    IgnoreRule,
    Propagate,
    Rules,
    Strategy,
)
from controller.sync.scope import ALL, KindScope, Scope

_WRITING = frozenset({Direction.BIDIRECTIONAL, Direction.CLUSTER_TO_GIT})


@dataclass(frozen=True, slots=True)
class Installation:
    """What is the same for every fabric of one installation. `epoch` is (uid of kube-system, id of the database)."""

    id: str
    epoch: str
    controller_namespace: str
    allowed_namespaces: tuple[str, ...] = ()
    allow_insecure_git: bool = False
    salt: bytes = field(default=b"", repr=False)  # keys the digests of what a conflict shows; a Secret's can be short

    def allows(self, namespace: str) -> bool:
        """Whether fabrics of other namespaces may reach into this one."""
        return ALL in self.allowed_namespaces or namespace in self.allowed_namespaces

    @property
    def cluster(self) -> str:
        """The uid of kube-system in the cluster that the Fabrics are in."""
        return self.epoch.partition("/")[0]

    def on(self, cluster: str) -> Installation:
        """The installation with the epoch of this cluster, which is known by its uid."""
        return replace(self, epoch=f"{cluster}/{self.epoch.partition('/')[2]}")

    @property
    def allows_cluster_scoped(self) -> bool:
        """Whether fabrics may hold cluster-scoped objects: a Namespace or a ClusterRoleBinding reaches everywhere."""
        return ALL in self.allowed_namespaces

    @property
    def reserved(self) -> frozenset[ObjectKey]:
        """The installation's own objects, which no fabric may hold."""
        return frozenset({ObjectKey("", "ConfigMap", self.controller_namespace, "tandem-install")})


@dataclass(frozen=True, slots=True)
class Encryption:
    """With what a fabric's files are encrypted: for whom it writes new ones, and where its identities are."""

    recipients: tuple[str, ...] = ()
    identity: NameRef | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom Git knows a user."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything a run needs to know of its Fabric."""

    namespace: str
    name: str
    uid: str
    generation: int
    source: Source
    scope: Scope
    rules: Rules
    interval: float
    batch_window: float
    max_commits_per_hour: int
    prune_on_removal: bool
    requested_at: str
    confirmed: frozenset[str]
    applied: str  # status.revision.applied, which outlives the database
    encryption: Encryption = Encryption()
    identities: Mapping[str, Identity] = field(default_factory=dict)  # by the API server's user
    kubeconfig: str = ""  # the Secret of this namespace that leads to the objects' cluster; "": the Fabric's own

    @property
    def fabric(self) -> str:
        """`<namespace>/<name>`, as logs and commits name it."""
        return f"{self.namespace}/{self.name}"

    @property
    def writes(self) -> bool:
        """Whether anything is ever written to Git, unless a SyncJob asks for it."""
        return not _WRITING.isdisjoint((self.rules.direction, *self.rules.directions.values()))

    @property
    def cluster(self) -> tuple[str, str]:
        """Which cluster the objects are in, as far as the spec tells: (namespace, Secret), both "" for the own one."""
        return (self.namespace, self.kubeconfig) if self.kubeconfig else ("", "")

    def batches(self, kind: Kind) -> bool:
        """Whether edits of this kind are gathered for a commit; where Git always wins they are put back at once."""
        return self.rules.direction_of(kind) is not Direction.GIT_TO_CLUSTER


def profile_of(fabric: Fabric, installation: Installation, plurals: Mapping[Kind, str] | None = None) -> Profile:
    """The profile of a Fabric. `plurals` are those of the served kinds, as far as they are known.

    Raises StalledError(InvalidSpec) for what only the installation can refuse, and for what no schema can say.
    """
    spec, metadata = fabric.spec, fabric.metadata
    of_forge = forge_problems(spec, allow_insecure=installation.allow_insecure_git)
    found = (_pattern_problems(spec), _recipient_problems(spec), of_forge)
    if problems := [*fabric_problems(spec, plurals), *chain.from_iterable(found)]:
        raise StalledError(Reason.INVALID_SPEC, "; ".join(problems))
    namespace, name = metadata.namespace, metadata.name
    return Profile(
        namespace=namespace,
        name=name,
        uid=metadata.uid,
        generation=metadata.generation,
        source=source_of(spec),
        scope=_scope(spec, namespace, installation),
        rules=_rules(spec, namespace, field_manager(installation.id, namespace, name), installation),
        interval=spec.sync.interval.seconds,
        batch_window=spec.sync.batch_window.seconds,
        max_commits_per_hour=spec.sync.max_commits_per_hour,
        prune_on_removal=spec.deletion.on_removal is OnRemoval.PRUNE,
        requested_at=metadata.annotations.get(REQUESTED_AT, ""),
        confirmed=frozenset(
            token.strip() for token in metadata.annotations.get(CONFIRM, "").split(",") if token.strip()
        ),
        applied=(fabric.status.revision.applied if fabric.status.revision else None) or "",
        encryption=Encryption(spec.encryption.recipients, spec.encryption.identity_secret_ref),
        identities={one.user: Identity(one.name, one.email) for one in spec.attribution.identities},
        kubeconfig=spec.target.kubeconfig_secret_ref.name if spec.target.kubeconfig_secret_ref else "",
    )


def _scope(spec: FabricSpec, own: str, installation: Installation) -> Scope:
    wanted = tuple(spec.target.namespaces) or (own,)
    refused = sorted(namespace for namespace in wanted if namespace != own and not installation.allows(namespace))
    if refused:
        raise StalledError(
            Reason.INVALID_SPEC,
            f"spec.target.namespaces: {', '.join(refused)} is not open to fabrics of namespace {own}; "
            f"run the controller with --allow-namespaces {','.join(refused)}, or keep the Fabric in that namespace",
        )
    if spec.target.cluster_scoped and not installation.allows_cluster_scoped:
        raise StalledError(
            Reason.INVALID_SPEC,
            "spec.target.clusterScoped: cluster-scoped objects reach into every namespace; run the controller with "
            "--allow-namespaces '*', or leave it out",
        )
    return Scope(
        own_namespace=own,
        namespaces=wanted,
        cluster_scoped=spec.target.cluster_scoped,
        kinds={Kind(rule.group, rule.kind): _kind_scope(rule) for rule in spec.resources},
        reserved=installation.reserved,
    )


def _kind_scope(rule: ResourceRule) -> KindScope:
    direction = None if rule.direction is None else Direction(rule.direction.value)
    return KindScope(directory=(rule.directory or "").strip("/"), direction=direction, imports=rule.import_)


def _pattern_problems(spec: FabricSpec) -> Iterator[str]:
    """Paths of ignore rules that cannot be read."""
    for i, rule in enumerate(spec.ignore):
        for j, path in enumerate(rule.paths):
            try:
                parse_pattern(path)
            except ValueError as error:
                yield f"spec.ignore[{i}].paths[{j}]: {error}"


def _recipient_problems(spec: FabricSpec) -> Iterator[str]:
    """Recipients that nobody could have an identity for: what is encrypted for them is lost."""
    for i, recipient in enumerate(spec.encryption.recipients):
        if not is_recipient(recipient):
            yield (
                f"spec.encryption.recipients[{i}]: {recipient[:80]!r} is no age recipient; give the public half of an "
                "X25519 key, age1…, as age-keygen shows it"
            )


def _rules(spec: FabricSpec, own: str, manager: str, installation: Installation) -> Rules:
    directions = {
        Kind(rule.group, rule.kind): Direction(rule.direction.value) for rule in spec.resources if rule.direction
    }
    return Rules(
        manager=manager,
        epoch=installation.epoch,
        direction=Direction(spec.sync.direction.value),
        directions=directions,
        imports=frozenset(Kind(rule.group, rule.kind) for rule in spec.resources if rule.import_),
        strategy=Strategy(spec.sync.conflict_strategy.value),
        auto_resolve_simple=spec.sync.auto_resolve_simple,
        editors=EditorRules(tuple(spec.sync.editors.include), tuple(spec.sync.editors.exclude)),
        ignore=tuple(IgnoreRule(tuple(rule.kinds), tuple(rule.paths), tuple(rule.managers)) for rule in spec.ignore),
        deletion=_deletion(spec.deletion),
        max_edits=spec.sync.max_edits,
        encrypts=bool(spec.encryption.recipients),
        kept_out=frozenset(_own_secrets(spec, own)),
        salt=installation.salt,
    )


def _own_secrets(spec: FabricSpec, own: str) -> Iterator[ObjectKey]:
    """The Secrets that the spec names: what opens the repository does not belong into it."""
    repository = spec.repository
    for reference in (
        repository.credentials_secret_ref,
        repository.verify.keys_secret_ref,
        repository.sign_with_secret_ref,
        repository.hook_secret_ref,
        repository.forge.token_secret_ref if repository.forge else None,
        spec.encryption.identity_secret_ref,
        spec.target.kubeconfig_secret_ref,
        *(receiver.secret_ref for receiver in spec.notify),
    ):
        if reference is not None:
            yield ObjectKey("", "Secret", own, reference.name)


def _deletion(deletion: Deletion) -> DeletionRules:
    return DeletionRules(
        prune=deletion.prune,
        propagate=Propagate(deletion.propagate.value),
        settle=timedelta(seconds=deletion.settle.seconds),
        max_deletions=deletion.max_deletions,
        max_deletion_percent=deletion.max_deletion_percent,
    )
