# A worker that takes calls. How to run it: docs/howto/deploy.md; what is in it and how large that is:
# docs/reference/image.md. Base images are named by tag: a rebuild brings their security fixes.

FROM ghcr.io/astral-sh/uv:0.13.8 AS uv

FROM python:3.12-slim-trixie AS build
COPY --from=uv /uv /usr/local/bin/uv
# Compiled here, because the worker's user may not write there: else modules that are first imported during a call
# would be compiled on its event loop. Copied, because links to a cache that is mounted lead nowhere later.
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PROJECT_ENVIRONMENT=/opt/slotline \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /src

# What slotline needs, before slotline itself: this layer stays while only our own code changes.
# numba, llvmlite and resampy are 210 MB that no call uses: only Pipecat's ResampyResampler imports them.
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --locked --no-default-groups --no-install-project \
    --no-install-package llvmlite --no-install-package numba --no-install-package resampy

# Refreshed: the cache knows slotline by its pyproject.toml and would hand out what it built from older sources.
COPY README.md LICENSE ./
COPY agent agent
COPY appointments appointments
COPY calendars calendars
COPY mail mail
COPY prompts prompts
COPY simulator simulator
COPY telephony telephony
COPY tools tools
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --locked --no-default-groups --no-editable --refresh-package slotline \
    --no-install-package llvmlite --no-install-package numba --no-install-package resampy

FROM python:3.12-slim-trixie
LABEL org.opencontainers.image.title="slotline" \
      org.opencontainers.image.licenses="BSD-2-Clause"

# The number is fixed, so that a folder mounted for the data can be given to it: chown 10001:10001.
RUN groupadd --gid 10001 slotline \
    && useradd --uid 10001 --gid slotline --no-log-init --no-create-home --home-dir /nonexistent slotline \
    && install -d -o slotline -g slotline /srv/slotline /srv/slotline/data
COPY --from=build /opt/slotline /opt/slotline
ENV PATH=/opt/slotline/bin:$PATH

USER 10001:10001
# DATA_DIR is "data" unless it is set, and BUSINESS_FILE may be relative too: one .env fits a checkout and the image.
WORKDIR /srv/slotline
VOLUME ["/srv/slotline/data"]
EXPOSE 8080
STOPSIGNAL SIGTERM

# Asks whether the process still answers, because that is what a restart mends. Not /readyz: it waits for the voice
# service, and a restart would only end the calls that go on. http.client heeds no HTTP_PROXY.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python3", "-IS", "-c", "from http.client import HTTPConnection; worker = HTTPConnection('127.0.0.1', 8080, timeout=4); worker.request('GET', '/healthz'); raise SystemExit(worker.getresponse().status != 200)"]

ENTRYPOINT ["slotline"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080", "--no-env-file"]
