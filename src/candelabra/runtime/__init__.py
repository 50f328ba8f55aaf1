"""Exported models without torch: `Model("model.onnx")("photo.jpg")` needs numpy, Pillow, simplejpeg and onnxruntime."""

from candelabra.runtime.model import Model as Model
