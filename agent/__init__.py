"""The agent: composes the packages below it; owns settings, the command line, the server and the life of a call."""

import os

# onnxruntime, which runs the speech models, reports to its maker from version 1.29 on, on Linux too. Only this variable
# stops it, and only before its first import: https://github.com/microsoft/onnxruntime/blob/main/docs/Privacy.md
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
