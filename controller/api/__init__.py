"""The custom resources, declared once: pydantic models from which the CRDs, the defaults and the readers come.

`meta` and `conditions` are common to all kinds, `v1alpha1` holds one file per family, `schema` and `crd` turn the
models into what the API server is given.
"""
