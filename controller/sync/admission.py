"""A Fabric's profile, checked against what the API server serves: two kinds of one plural may not share a directory."""

from __future__ import annotations

from controller.api.v1alpha1.fabric import Fabric
from controller.objects import Kind
from controller.sync.profile import Installation, Profile, profile_of
from controller.sync.reach import TargetCluster


async def admitted_profile(installation: Installation, cluster: TargetCluster, fabric: Fabric) -> Profile:
    """The profile of a Fabric whose objects are in this cluster. Raises StalledError(InvalidSpec), UnreachableError."""
    plurals = {}
    for rule in fabric.spec.resources:
        resource = await cluster.discovery.preferred(rule.group, rule.kind)
        if resource is not None:
            plurals[Kind(rule.group, rule.kind)] = resource.plural
    return profile_of(fabric, installation.on(cluster.lifetime.uid), plurals)
