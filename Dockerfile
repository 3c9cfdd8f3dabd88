# The one image in which every component runs: `make image` builds it.
#
#   BASE  any Debian-like image with Python 3.11 (python3, venv); name it by digest where builds must repeat
#   LOCK  the packages, with hashes: requirements.lock has torch's CUDA build; docs/containers.md tells how a CPU lock is made
#
# Where the package index needs settings or a certificate of its own, they come as build secrets (pip_config, ca_bundle):
# they are there while packages are installed, and in no layer.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS packages
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/darkroom
ARG LOCK=requirements.lock
COPY ${LOCK} /tmp/packages.lock
RUN --mount=type=secret,id=pip_config --mount=type=secret,id=ca_bundle --mount=type=cache,target=/root/.cache/pip \
    if [ -f /run/secrets/pip_config ]; then export PIP_CONFIG_FILE=/run/secrets/pip_config; fi; \
    if [ -f /run/secrets/ca_bundle ]; then export PIP_CERT=/run/secrets/ca_bundle; fi; \
    /opt/pip/bin/pip --disable-pip-version-check --python /opt/darkroom/bin/python \
        install --quiet --no-deps --require-hashes -r /tmp/packages.lock

# The code, readable by every user whatever the umask of the checkout, and compiled because nothing can be written later.
# requirements.lock belongs to it whatever was installed: the version of a step's code is a hash of both, everywhere.
FROM ${BASE} AS code
COPY darkroom /app/darkroom
COPY components /app/components
COPY pipelines /app/pipelines
COPY params.yaml requirements.lock /app/
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /app && chmod -R a+rX,go-w /app

# Only the last layer holds code: what lies below it names the environment in the cache of `darkroom run --runner docker`.
FROM ${BASE}
ENV PATH=/opt/darkroom/bin:$PATH PYTHONPATH=/app PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONUTF8=1 HOME=/tmp
COPY --from=packages /opt/darkroom /opt/darkroom
WORKDIR /app
USER 10001:10001
CMD ["python", "-m", "components", "--help"]
COPY --from=code /app /app
ARG LOCK=requirements.lock
ARG COMMIT=unknown
ARG VERSION=unknown
ARG CODE=unknown
LABEL org.opencontainers.image.title=darkroom \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.revision=${COMMIT} \
      org.opencontainers.image.version=${VERSION} \
      darkroom.lock=${LOCK} \
      darkroom.code=${CODE}
