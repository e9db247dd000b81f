# Dateline in a container: what the lock pins and nothing else, run by a user of its own.
FROM python:3.13.7-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/dateline
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN /opt/dateline/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY consumers consumers
COPY dateline dateline
COPY events events
COPY examples examples
COPY producers producers
RUN /opt/dateline/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13.7-slim-bookworm
COPY --from=build /opt/dateline /opt/dateline
# Logs, mirrors and views live here; a volume is mounted over it.
RUN useradd --uid 10001 --no-create-home newsroom && install -d -o newsroom -g newsroom /data
USER newsroom
WORKDIR /data
VOLUME /data
ENV PATH=/opt/dateline/bin:$PATH PYTHONUNBUFFERED=1
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD \
    ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=3)"]
ENTRYPOINT ["dateline"]
CMD ["serve", "--host", "0.0.0.0"]
