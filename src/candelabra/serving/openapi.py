"""The OpenAPI description of a server."""

from collections.abc import Mapping
from typing import Any

from candelabra.environment import __version__
from candelabra.runtime.description import ModelDescription
from candelabra.serving.limits import ServingLimits

_NUMBERS = {"type": "array", "items": {"type": "number"}}
_OBJECT = {"name": {"type": "string"}, "score": {"type": "number"}, "box": _NUMBERS}
_MASK = {
    "type": "object",
    "properties": {"size": _NUMBERS, "counts": _NUMBERS},
    "description": "with maps=true: the pixels, as an uncompressed RLE of COCO",
}
_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "probabilities": {"type": "object", "description": "name, probability and top; or each class with its probability"},
    "box": {"type": "object", "properties": {key: {"type": "number"} for key in ("xmin", "ymin", "xmax", "ymax")}},
    "points": {"type": "object", "additionalProperties": _NUMBERS, "description": "x and y of each point"},
    "objects": {"type": "array", "items": {"type": "object", "properties": _OBJECT}},
    "instances": {"type": "array", "items": {"type": "object", "properties": {**_OBJECT, "mask": _MASK}}},
    "vector": _NUMBERS,
    "map": {"type": "object", "description": "the share of each class; with maps=true also png, a data URL"},
    "number_map": {"type": "object", "description": "height and width; min, mean and max of the numbers of the pixels"},
    "vector_map": {"type": "object", "description": "height and width; the mean vector, and the length of the longest"},
    "numbers": {"type": "object", "description": "each number by its name; or its value and std"},
    "grades": {"type": "object", "description": "name, index, and the probabilities of all grades"},
}


def describe_api(model: ModelDescription, limits: ServingLimits) -> dict[str, Any]:
    """The paths of the server, and what an answer of this model holds."""
    heads = {name: _SCHEMAS[about["kind"]] for name, about in model.answers.items()}
    place = {"image": {"type": "string"}, "height": {"type": "integer"}, "width": {"type": "integer"}}
    answer = {"type": "object", "properties": {**place, **heads}}
    binary = {"schema": {"type": "string", "format": "binary"}}
    files = {"type": "array", "items": {"type": "string", "format": "binary"}}
    refusals = {400: "no readable picture", 408: "too slow", 413: "too large", 429: "too many wait", 503: "no answer"}
    text = {"200": {"description": "text"}}
    predict = {
        "summary": "answers for one picture or several, in pixels of the files",
        "parameters": [{"name": "maps", "in": "query", "schema": {"type": "boolean"}}],
        "requestBody": {
            "description": f"at most {limits.megabytes} MB, {limits.pictures} pictures of {limits.megapixels} Mpx",
            "content": {
                "image/*": binary,
                "multipart/form-data": {"schema": {"type": "object", "properties": {"pictures": files}}},
            },
        },
        "responses": {
            "200": {
                "description": "an answer for each picture",
                "content": {
                    "application/json": {
                        "schema": {"type": "object", "properties": {"answers": {"type": "array", "items": answer}}}
                    }
                },
            },
            **{str(status): {"description": words} for status, words in refusals.items()},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "candelabra", "version": __version__},
        "paths": {
            "/predict": {"post": predict},
            "/model": {"get": {"summary": "the heads of the model", "responses": text}},
            "/healthz": {"get": {"summary": "whether the server answers", "responses": text}},
            "/metrics": {"get": {"summary": "counts for Prometheus", "responses": text}},
        },
    }
