"""Documents that several tests use."""

from __future__ import annotations

CONFIG = """\
# what the shop shows
apiVersion: v1
kind: ConfigMap
metadata:
  name: web
data:
  color: blue   # the color
  size: big
"""

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
        - name: web
          image: nginx:1.27   # pinned
          ports:
            - containerPort: 80
"""


def config_map(name: str, **data: str) -> str:
    """A ConfigMap without comments."""
    lines = "".join(f"  {key}: {value}\n" for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n{lines}"


def several(*names: str) -> str:
    """A file of many ConfigMaps."""
    return "---\n".join(config_map(name, key="value") for name in names)
