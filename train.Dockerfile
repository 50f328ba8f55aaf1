# Trains on a CPU or, with a build of torch for CUDA, on a GPU:
#   docker build -f train.Dockerfile -t candelabra .
#   docker build -f train.Dockerfile --build-arg TORCH=cu128 -t candelabra .
#   docker run --gpus all --shm-size 8g -v ./photos:/work/photos -v ./runs:/work/runs candelabra train data.root=photos folder=runs/first
ARG PYTHON=3.12
FROM python:${PYTHON}-slim
# A build of torch as uv names it: cpu, cu126, cu128, ... Wheels of torch bring CUDA; the host brings the driver alone.
ARG TORCH=cpu
ARG EXTRAS=adapters,dashboards,export,parquet,serve,sweeps
COPY . /source
RUN pip install --no-cache-dir uv \
    && uv pip install --system --no-cache --torch-backend "${TORCH}" "/source[${EXTRAS}]" \
    && rm -rf /source
# Caches and configurations of libraries go where any user may write.
ENV CANDELABRA_CACHE=/cache HF_HOME=/cache/huggingface MPLCONFIGDIR=/cache/matplotlib
RUN mkdir -p /cache /work && chmod 1777 /cache /work
WORKDIR /work
ENTRYPOINT ["candelabra"]
CMD ["--help"]
