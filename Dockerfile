# A swanbridge daemon on virtual devices, for tests and continuous integration.
#
#   docker build -t swanbridge .
#   docker run --rm --init -p 127.0.0.1:7667:7667 swanbridge          # prints the address with its token
#   docker run ... -v swanbridge:/var/lib/swanbridge swanbridge       # keeps saved files and album
#   docker run ... swanbridge serve --allow-host lab.example          # reached under another name than localhost
#
# Inside, the daemon listens on all addresses, for a published port arrives on one that is not loopback; who gets in
# is decided by the token, by the list of host names (loopback ones unless --allow-host adds to them) and by where
# you publish the port. Raw sound cards: --device /dev/snd --group-add audio -e SWANBRIDGE_DEVICES=hardware.

FROM python:3.11-slim-bookworm AS builder
ENV PIP_CACHE_DIR=/var/cache/pip PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
# Locked packages first: this layer is made anew only when constraints/ changes.
COPY constraints/build.txt constraints/runtime.txt constraints/
RUN --mount=type=cache,target=/var/cache/pip \
    python3 -m venv tools \
    && tools/bin/pip install --require-hashes --no-deps -r constraints/build.txt \
    && tools/bin/pip wheel --require-hashes --no-deps --no-build-isolation --wheel-dir wheels -r constraints/runtime.txt
COPY . source
# The environment holds neither pip nor what builds packages.
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels ./source \
    && python3 -m venv --without-pip /opt/swanbridge \
    && tools/bin/pip --python /opt/swanbridge/bin/python install --no-cache-dir --no-index --no-deps wheels/*.whl

FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends libportaudio2 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --home-dir /var/lib/swanbridge swanbridge \
    && install -d -o swanbridge -g swanbridge -m 0700 /var/lib/swanbridge /run/swanbridge
COPY --from=builder /opt/swanbridge /opt/swanbridge
ENV PATH=/opt/swanbridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    XDG_RUNTIME_DIR=/run/swanbridge \
    SWANBRIDGE_HOST=0.0.0.0 \
    SWANBRIDGE_PORT=7667 \
    SWANBRIDGE_DEVICES=virtual \
    SWANBRIDGE_STATE_DIR=/var/lib/swanbridge \
    SWANBRIDGE_ALBUM_DIR=/var/lib/swanbridge/album
USER 10001:10001
WORKDIR /var/lib/swanbridge
VOLUME /var/lib/swanbridge
EXPOSE 7667
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(f\"http://127.0.0.1:{os.environ['SWANBRIDGE_PORT']}/health\", timeout=2)"]
ENTRYPOINT ["swanbridged"]
CMD ["serve"]
