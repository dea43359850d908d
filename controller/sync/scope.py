"""Which objects a fabric may touch at all: kinds, namespaces, cluster-scoped or not. Pure.

A document's name becomes an object's key here, because only the scope knows the namespace of a document without one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from controller.api.meta import GROUP
from controller.errors import Reason
from controller.objects import Kind, ObjectKey
from controller.sync.plan.model import Direction

ALL = "*"


@dataclass(frozen=True, slots=True)
class KindScope:
    """What `spec.resources` says of one kind."""

    directory: str = ""
    direction: Direction | None = None
    imports: bool = False


@dataclass(frozen=True, slots=True)
class OutOfScope:
    """Why a document is not this fabric's."""

    reason: Reason
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """`target` and `resources` of a fabric, with the installation's own bounds already applied.

    `namespaces` holds at least one entry; `("*",)` is all. `kinds` empty: whatever the documents hold, and nothing
    is imported. `own_namespace` is where the Fabric lives.
    """

    own_namespace: str
    namespaces: tuple[str, ...]
    cluster_scoped: bool = False
    kinds: dict[Kind, KindScope] = field(default_factory=dict)
    # The installation's own objects: importing or pruning them would pull the rug from under the controller.
    reserved: frozenset[ObjectKey] = frozenset()

    @property
    def everywhere(self) -> bool:
        """Whether all namespaces are in scope."""
        return ALL in self.namespaces

    @property
    def default_namespace(self) -> str:
        """Where a namespaced document without `metadata.namespace` goes."""
        return self.own_namespace if self.everywhere else self.namespaces[0]

    @property
    def many_namespaces(self) -> bool:
        """Whether imported objects need a folder per namespace."""
        return self.everywhere or len(self.namespaces) > 1

    def key(self, kind: Kind, namespace: str, name: str, *, namespaced: bool) -> ObjectKey:
        """The key of the object a document declares."""
        return ObjectKey(kind.group, kind.kind, (namespace or self.default_namespace) if namespaced else "", name)

    def admits(self, kind: Kind, *, namespaced: bool) -> bool:
        """Whether any object of the kind can be in scope: the others are not even looked at."""
        listed = not self.kinds or kind in self.kinds
        return listed and kind.group != GROUP and (namespaced or self.cluster_scoped)

    def holds(self, key: ObjectKey) -> bool:
        """Whether the object is in scope."""
        return self.objection(key) is None

    def objection(self, key: ObjectKey) -> OutOfScope | None:
        """Why the object is not in scope; None when it is."""
        if key in self.reserved:
            return OutOfScope(Reason.OUT_OF_SCOPE, f"{key} belongs to the Tandem installation itself")
        if key.group == GROUP:
            return OutOfScope(
                Reason.OUT_OF_SCOPE,
                f"{key.kind} is one of Tandem's own kinds: whoever may push would set the limits of what a push may "
                "do, with the controller's rights; apply it by other means",
                "/kind",
            )
        if self.kinds and key.group_kind not in self.kinds:
            listed = ", ".join(sorted(str(kind) for kind in self.kinds))
            return OutOfScope(
                Reason.OUT_OF_SCOPE,
                f"{key.group_kind} is not among spec.resources ({listed}); add it there, or move the document "
                "out of the fabric's directory",
                "/kind",
            )
        if not key.namespace and not self.cluster_scoped:
            return OutOfScope(
                Reason.OUT_OF_SCOPE,
                f"{key} is cluster-scoped; set spec.target.clusterScoped to let such objects in",
                "/kind",
            )
        if key.namespace and not self.everywhere and key.namespace not in self.namespaces:
            return OutOfScope(
                Reason.OUT_OF_SCOPE,
                f"namespace {key.namespace} is not among spec.target.namespaces ({', '.join(self.namespaces)})",
                "/metadata/namespace",
            )
        return None
