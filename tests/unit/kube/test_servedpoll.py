"""What the index of definitions says of each group version."""

from __future__ import annotations

from controller.kube.servedpoll import hashes


def test_every_group_version_has_its_hash() -> None:
    index = {
        "paths": {
            "version": {"serverRelativeURL": "/openapi/v3/version?hash=0"},
            "api": {"serverRelativeURL": "/openapi/v3/api?hash=0"},
            "apis": {"serverRelativeURL": "/openapi/v3/apis?hash=0"},
            "apis/apps": {"serverRelativeURL": "/openapi/v3/apis/apps?hash=1"},
            "api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=2"},
            "apis/apps/v1": {"serverRelativeURL": "/openapi/v3/apis/apps/v1?hash=3"},
            "apis/metrics.k8s.io/v1beta1": {"serverRelativeURL": "/openapi/v3/apis/metrics.k8s.io/v1beta1"},
        }
    }
    assert hashes(index) == {
        "apps": "1",
        "v1": "2",
        "apps/v1": "3",
        "metrics.k8s.io/v1beta1": "/openapi/v3/apis/metrics.k8s.io/v1beta1",
    }
