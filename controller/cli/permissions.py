"""What a controller must be allowed to do, and whether whoever asks is. The rights on synced kinds come on top."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import orjson

from controller.api.meta import GROUP
from controller.kube.client import KubeClient

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_READ = ("get", "list", "watch")
_CRD_GROUP = "apiextensions.k8s.io"


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource; `namespace` "" is all of them, or none for a cluster-scoped kind."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    namespace: str = ""

    @property
    def object(self) -> str:
        """`fabrics.tandem.dev/status in shop`."""
        group = f".{self.group}" if self.group else ""
        subresource = f"/{self.subresource}" if self.subresource else ""
        return f"{self.resource}{group}{subresource}{f' in {self.namespace}' if self.namespace else ''}"


def needed_rights(controller_namespace: str) -> tuple[Right, ...]:
    """What the controller does with its own kinds and around them, whatever fabrics sync: manifests/rbac.yaml."""
    return (
        *_rights((*_READ, "patch"), "fabrics", GROUP),
        *_rights((*_READ, "patch", "delete"), "syncjobs", GROUP),
        *_rights((*_READ, "create", "patch", "delete"), "syncconflicts", GROUP),
        *(Right("patch", kind, GROUP, "status") for kind in ("fabrics", "syncjobs", "syncconflicts")),
        *_rights(_READ, "customresourcedefinitions", _CRD_GROUP),
        Right("get", "apiservices", "apiregistration.k8s.io"),
        *_rights(("create", "patch"), "events", "events.k8s.io"),
        Right("create", "subjectaccessreviews", "authorization.k8s.io"),
        *_rights(("get", "create"), "configmaps", namespace=controller_namespace),
        Right("get", "namespaces"),
    )


async def missing_rights(client: KubeClient, rights: tuple[Right, ...]) -> list[Right]:
    """Those of the rights that whoever asks does not have. Raises KubeError."""
    allowed = await asyncio.gather(*(_is_allowed(client, right) for right in rights))
    return [right for right, is_allowed in zip(rights, allowed, strict=True) if not is_allowed]


def told(rights: list[Right]) -> str:
    """`list, watch fabrics.tandem.dev; get secrets`."""
    objects = groupby(rights, key=lambda right: right.object)
    return "; ".join(f"{', '.join(right.verb for right in found)} {name}" for name, found in objects)


def _rights(verbs: tuple[str, ...], resource: str, group: str = "", namespace: str = "") -> Iterator[Right]:
    return (Right(verb, resource, group, namespace=namespace) for verb in verbs)


async def _is_allowed(client: KubeClient, right: Right) -> bool:
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "subresource": right.subresource,
        "namespace": right.namespace,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {name: value for name, value in attributes.items() if value}},
    }
    answer = orjson.loads(await client.request("POST", _REVIEWS, "", orjson.dumps(review)))
    return bool(answer["status"]["allowed"])
