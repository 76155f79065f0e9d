# The base is an argument, so that a mirror, a digest or an image made on the spot can stand in: any with Python >= 3.11.
ARG BASE_IMAGE=docker.io/library/python:3.13-slim

FROM ${BASE_IMAGE} AS build
# pip's own settings, for builds that reach no PyPI. The hashes hold wherever a file comes from.
ARG PIP_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
# What is imported here writes nothing: it would put times into the files, too.
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
RUN python3 -m venv --without-pip /opt/venv && python3 -m venv /opt/tools
COPY requirements/runtime.txt requirements/build.txt requirements/
# What builds the wheel stays behind. Nothing is compiled here: that would put times into the files.
RUN /opt/tools/bin/pip --python /opt/venv install --no-compile --only-binary :all: --require-hashes -r requirements/runtime.txt \
 && /opt/tools/bin/pip install --only-binary :all: --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md ./
COPY webhook webhook
COPY certs certs
COPY deploy/examples deploy/examples
RUN /opt/tools/bin/pip wheel --no-build-isolation --no-deps --wheel-dir /wheels . \
 && /opt/tools/bin/pip --python /opt/venv install --no-compile --no-index --no-deps /wheels/*.whl
# Most of the kubernetes package is its asyncio twin and groups of the API that nothing here calls. The rest is compiled once and
# never checked again, because the root file system is read-only; what the server does not load stays uncompiled and small.
RUN cd /opt/venv/lib/python3*/site-packages \
 && rm -r kubernetes/aio \
 && find kubernetes/client/api -name '*_api.py' ! -name core_v1_api.py -delete \
 && find . -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' | xargs rm -f \
 && /opt/venv/bin/python -m compileall -q -f -j0 --invalidation-mode unchecked-hash \
    -x 'kubernetes/client/(api|models)/|/(pygments|rich|typer|markdown_it|oauthlib|websocket|prompt_toolkit|wcwidth)/' . \
 && /opt/venv/bin/python -c 'import cel, webhook.commands.serve.run; from kubernetes.client import CoreV1Api; from kubernetes import config'

FROM ${BASE_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gpu-injector" \
      org.opencontainers.image.description="Mutating admission webhook that gives GPU pods, and NVIDIA's device plugin, their driver" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/venv /opt/venv
# Probes are the chart's: no HEALTHCHECK.
USER 65532:65532
ENTRYPOINT ["/opt/venv/bin/gpu-injector"]
CMD ["serve"]
