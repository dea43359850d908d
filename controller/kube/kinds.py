"""Tandem's own kinds, as requests address them; what is in them is declared in `controller.api`."""

from __future__ import annotations

from controller.api.meta import GROUP, VERSION
from controller.api.v1alpha1.fabric import Fabric
from controller.api.v1alpha1.syncconflict import SyncConflict
from controller.api.v1alpha1.syncjob import SyncJob
from controller.kube.resources import Resource

FABRICS = Resource(GROUP, VERSION, "Fabric", Fabric.plural, namespaced=True)
SYNC_JOBS = Resource(GROUP, VERSION, "SyncJob", SyncJob.plural, namespaced=True)
SYNC_CONFLICTS = Resource(GROUP, VERSION, "SyncConflict", SyncConflict.plural, namespaced=True)
