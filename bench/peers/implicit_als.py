"""Trains PyPI `implicit` on the arrays that bench/engine.ts exported; prints one JSON line.

usage: implicit_als.py MATRIX_FOLDER OUTPUT_FOLDER FACTORS ITERATIONS THREADS SOLVER ALPHA REGULARIZATION SEED
"""
import json
import os
import sys
import time

# One BLAS thread inside each of implicit's own; kernels of this processor, whatever the environment asks for.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import implicit  # noqa: E402
import numpy  # noqa: E402
import scipy.sparse  # noqa: E402
import threadpoolctl  # noqa: E402

folder, output = sys.argv[1:3]
factors, iterations, threads = (int(value) for value in sys.argv[3:6])
solver, alpha, regularization, seed = sys.argv[6], float(sys.argv[7]), float(sys.argv[8]), int(sys.argv[9])

pointers = numpy.fromfile(os.path.join(folder, "pointers.i32"), numpy.int32)
items = numpy.fromfile(os.path.join(folder, "items.i32"), numpy.int32)
strengths = numpy.fromfile(os.path.join(folder, "strengths.f32"), numpy.float32)
matrix = scipy.sparse.csr_matrix((strengths, items, pointers), shape=(len(pointers) - 1, int(items.max()) + 1))

model = implicit.als.AlternatingLeastSquares(
    factors=factors, regularization=regularization, alpha=alpha, iterations=iterations, num_threads=threads,
    use_cg=solver == "cg", use_gpu=False, random_state=seed,
)
ends, cpu = [time.time()], [time.process_time()]


def note(*_):
    ends.append(time.time())
    cpu.append(time.process_time())


model.fit(matrix, show_progress=False, callback=note)
model.user_factors.astype(numpy.float32).tofile(os.path.join(output, "user-factors.f32"))
model.item_factors.astype(numpy.float32).tofile(os.path.join(output, "item-factors.f32"))
# The first iteration also holds implicit's preparation: it is left out where there are others.
print(json.dumps({
    "secondsOfFastestIteration": float(numpy.diff(ends)[-max(1, iterations - 1):].min()),
    "cpuSecondsOfFastestIteration": float(numpy.diff(cpu)[-max(1, iterations - 1):].min()),
    "version": implicit.__version__,
    "blas": sorted({pool.get("architecture", "") for pool in threadpoolctl.threadpool_info()} - {""}),
}))
