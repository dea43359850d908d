"""State that lives neither in Kubernetes nor in Git: the sync base, the push log, refusals, confirmations, history.

`Store` is the way in. SQLAlchemy is met nowhere else, and its errors do not leave this package.
"""

from controller.store.store import Store

__all__ = ["Store"]
