# The base is an argument, so that a mirror, or an image made on the spot, can stand in: any with Python >= 3.11.
ARG BASE_IMAGE=python:3.13-slim
FROM ${BASE_IMAGE}
WORKDIR /opt/gpu-injector
COPY requirements/runtime.txt requirements/build.txt requirements/
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt -r requirements/build.txt
COPY pyproject.toml README.md ./
COPY webhook webhook
COPY certs certs
COPY deploy/examples deploy/examples
RUN /opt/venv/bin/pip install --no-cache-dir --no-build-isolation --no-deps .
WORKDIR /
USER 65532:65532
ENTRYPOINT ["/opt/venv/bin/gpu-injector"]
CMD ["serve"]
