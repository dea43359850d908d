"""Rules for single values that several kinds take; a message is what a person reads when the API server refuses one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controller.api.meta import LABEL_LENGTH, NAME_LENGTH, PATH_LENGTH, Cel

URL = Cel(
    r"self.matches('^(https?://[^/@?#\\s]+(/[^?#\\s]*)?|ssh://([a-zA-Z0-9_][a-zA-Z0-9._-]*@)?[^/@?#\\s]+/[^?#\\s]+|"
    r"[a-zA-Z0-9_][a-zA-Z0-9._-]*@[^/@?#:\\s]+:[^:?#\\s][^?#\\s]*)$')",
    "must be an https:// URL such as https://git.example.com/team/fleet.git, without user, password, query or "
    "fragment, or one for ssh such as ssh://git@git.example.com/team/fleet.git or git@git.example.com:team/fleet.git; "
    "credentials belong into the Secret of credentialsSecretRef, and http:// works only where the controller runs "
    "with --allow-insecure-git",
)
API_URL = Cel(
    r"self.matches('^https?://[^/@?#\\s]+(/[^?#\\s]*)?$')",
    "must be an https:// URL such as https://git.example.com/api/v1, without user, password, query or fragment",
)
BRANCH = Cel(
    r"self.matches('^[^-./~^:?*\\[\\\\\\s][^~^:?*\\[\\\\\\s]*$') && !self.startsWith('refs/') "
    r"&& !self.matches('[.][.]|//|@[{]|[/.]$|[.]lock$')",
    "must be the name of a branch, such as main or release/1.2, without refs/heads/",
)
INSIDE = Cel(
    r"self.matches('^[^/\\\\\\x00-\\x1f]+(/[^/\\\\\\x00-\\x1f]+)*$') "
    r"&& !self.matches('(^|/)([.][.]|[.][gG][iI][tT][^/]*)(/|$)')",
    "must be a path relative to its root, such as clusters/prod, without a leading or trailing slash, '..', "
    "backslashes, or components that start with .git",
)
ONE_LINE = Cel(r"self.matches('^[^<>\\x00-\\x1f]+$')", "must be one line without < and >")
NAMESPACE = Cel(
    "self == '*' || self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    "must be the name of a namespace, or * for all namespaces",
)
GROUP = Cel(
    "self == '' || self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
    "must be an API group without its version, such as apps or cert-manager.io; empty for the core group",
)
KIND = Cel("self.matches('^[A-Z][A-Za-z0-9]*$')", "must be a kind in CamelCase, such as Deployment")
KIND_AND_GROUP = Cel(
    "self.matches('^[A-Z][A-Za-z0-9]*([.][a-z0-9][-a-z0-9.]*)?$')",
    "must be a kind such as Deployment, or a kind with its group such as Deployment.apps",
)
SERVICE_ACCOUNT = Cel(
    "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
    "must be the name of a service account of this namespace, such as deployer",
)
MANAGER = Cel(
    r"self.matches('^!?[^!\\x00-\\x1f][^\\x00-\\x1f]*$')",
    "must be the name of a field manager or a glob over it, such as my-tool or my-*; a leading ! takes a default back",
)
POINTER = Cel(
    "self.matches('^(/([^/~]|~0|~1|~2)+)+$')",
    "must be a JSON pointer such as /spec/replicas, /spec/containers/{name=web}/image or /metadata/annotations/*, "
    "where ~1 stands for a slash and ~0 for a tilde inside a key",
)
RECIPIENT = Cel(
    "self.matches('^age1[02-9ac-hj-np-z]{58}$')",
    "must be the public half of an age key (X25519): age1 and 58 characters, as age-keygen shows it",
)

MANAGER_LENGTH = 129  # Kubernetes allows 128 bytes; one more for the leading !
POINTER_LENGTH = 512  # with 64 rules of 100 paths the most that the budget for CEL rules allows
KIND_LENGTH = LABEL_LENGTH + 1 + NAME_LENGTH  # Kind.group

ManagerGlob = Annotated[str, Field(min_length=1, max_length=MANAGER_LENGTH), MANAGER]
KindName = Annotated[str, Field(min_length=1, max_length=KIND_LENGTH), KIND_AND_GROUP]
PathPattern = Annotated[str, Field(min_length=1, max_length=POINTER_LENGTH), POINTER]
Recipient = Annotated[str, Field(min_length=62, max_length=62), RECIPIENT]
NamespaceName = Annotated[str, Field(min_length=1, max_length=LABEL_LENGTH), NAMESPACE]
Directory = Annotated[str, Field(min_length=1, max_length=PATH_LENGTH), INSIDE]
