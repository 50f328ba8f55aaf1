"""A trained model as an object: images in, predictions in their pixels out."""
