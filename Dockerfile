# The controller's image: tandem, git, ssh and sops. docker build -t tandem:0.1.0 .
FROM golang:1.26-bookworm AS sops
COPY controller/dev/recipes/sops /recipe
WORKDIR /recipe
RUN CGO_ENABLED=0 go build -mod=readonly -trimpath -o /sops github.com/getsops/sops/v3/cmd/sops

FROM python:3.11-slim-bookworm AS python
RUN pip install --no-cache-dir uv
COPY pyproject.toml uv.lock README.md /source/
COPY controller /source/controller
WORKDIR /source
# Exactly what is locked, without the tools of development.
RUN UV_PROJECT_ENVIRONMENT=/opt/tandem uv sync --frozen --no-default-groups --no-editable --python /usr/local/bin/python

FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install --yes --no-install-recommends git openssh-client && rm -rf /var/lib/apt/lists/*
COPY --from=sops /sops /usr/local/bin/sops
COPY --from=python /opt/tandem /opt/tandem
ENV PATH=/opt/tandem/bin:$PATH PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["tandem"]
