"""Data sets inside larger files: tar shards, chunks of litdata, tables of Hugging Face."""
