"""Version v1alpha1 of the custom resources: one file per family."""

from controller.api.v1alpha1.fabric import Fabric
from controller.api.v1alpha1.syncconflict import SyncConflict
from controller.api.v1alpha1.syncjob import SyncJob

KINDS = (Fabric, SyncJob, SyncConflict)
"""Every kind of this version; what `make crds` writes."""

__all__ = ["KINDS", "Fabric", "SyncConflict", "SyncJob"]
