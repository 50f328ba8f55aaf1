# Serves an exported model on a CPU, without torch:
#   docker build -t candelabra-serve . && docker run -p 8000:8000 -v ./exported:/model:ro candelabra-serve
FROM python:3.12-slim AS build
COPY . /source
RUN pip wheel --no-deps --no-cache-dir --wheel-dir /wheels /source

FROM python:3.12-slim
COPY --from=build /wheels /wheels
# What decodes pictures, and the extras runtime and serve; candelabra's other dependencies train and are not needed.
RUN pip install --no-cache-dir "numpy>=1.26" "pillow>=10.3" "simplejpeg>=1.8" "onnxruntime>=1.20" "starlette>=0.40" \
    "uvicorn>=0.30" "python-multipart>=0.0.18" "prometheus-client>=0.20" \
    && pip install --no-cache-dir --no-deps /wheels/*.whl
USER 1000
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
ENTRYPOINT ["candelabra", "serve", "host=0.0.0.0"]
CMD ["model=/model/model.onnx"]
