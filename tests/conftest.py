"""What holds for every test."""

# Imported before anything imports onnxruntime: it keeps that from reporting to its maker.
import agent  # noqa: F401
