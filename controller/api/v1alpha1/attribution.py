"""`spec.attribution` of a Fabric: as whom Git knows the users of the cluster."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controller.api.meta import ListMap, Model
from controller.api.v1alpha1.values import ONE_LINE


class Identity(Model):
    """As whom Git knows a user of the cluster."""

    user: Annotated[
        str,
        Field(
            min_length=1,
            max_length=256,
            description="The user, as the API server names it: kubectl auth whoami shows it.",
        ),
    ]
    name: Annotated[
        str, Field(min_length=1, max_length=128, description="The name in commits of the user's edits."), ONE_LINE
    ]
    email: Annotated[
        str, Field(min_length=1, max_length=254, description="The address in commits of the user's edits."), ONE_LINE
    ]


class Attribution(Model):
    """Who is the author of an edit's commit."""

    identities: Annotated[
        tuple[Identity, ...],
        Field(
            max_length=1000,
            description="As whom Git knows the users of the cluster. A person without an entry is the author under "
            "the cluster's name, with an address that nobody has; a program without one is not: those commits are "
            "repository.author's.",
        ),
        ListMap(("user",)),
    ] = ()
