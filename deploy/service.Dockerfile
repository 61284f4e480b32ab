# The service of lesson 21 on the simulated sample, with a small DeepM3 that is trained while the image is built.
#
#   docker build -t continuous-time-service -f deploy/service.Dockerfile .
#   docker run --rm -p 8000:8000 -v service-state:/state continuous-time-service
#
# Events live in the volume /state. On Linux, torch brings libraries for GPUs along, several GB that nothing here uses;
# --build-arg PIP_EXTRA_INDEX_URL=ADDRESS hands over an index of CPU builds.
FROM python:3.11-slim AS build
ARG PIP_EXTRA_INDEX_URL=""
WORKDIR /app
RUN python -m venv /venv
COPY constraints.txt ./
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt \
    torch torchdiffeq numpy pandas tqdm fastapi uvicorn httptools uvloop usearch river redis
COPY tutorial_files tutorial_files
COPY tutorial_lib tutorial_lib
COPY data/sample data/sample
COPY locale locale
RUN /venv/bin/python -c "from pathlib import Path; from tutorial_lib.serving.__main__ import default_run; default_run(Path('/app/runs'))"

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1
RUN useradd --system --uid 10001 --no-create-home service \
    && mkdir /state \
    && chown service /state
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
USER 10001
VOLUME /state
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
CMD ["python", "-m", "tutorial_lib.serving", "--out", "/app/runs", "--store", "/state/events.sqlite", "--host", "0.0.0.0", "--port", "8000"]
