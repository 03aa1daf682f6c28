"""Serves a GGUF with xllamacpp, which must be installed where this runs: `llama_server.py GGUF THREADS`.

Prints the base URL and serves until stdin ends.
"""

import sys

import xllamacpp

CONTEXT, SLOTS = 8192, 2

parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.hostname, parameters.port = "127.0.0.1", 0
parameters.n_ctx, parameters.n_parallel = CONTEXT * SLOTS, SLOTS
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = int(sys.argv[2])
parameters.n_gpu_layers = 0
server = xllamacpp.Server(parameters)
print(f"{server.listening_address}/v1", flush=True)
sys.stdin.read()
