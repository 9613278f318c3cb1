"""Fits PyPI `implicit` with every recipe of a list on one exported matrix; writes what each would show every user.

usage: implicit_lists.py FOLDER RECIPES_JSON THREADS LENGTH
FOLDER holds pointers.i32, items.i32, strengths.f32 (users x items); recipe number n of RECIPES_JSON, an array of
{factors, regularization, alpha, iterations, seed}, makes FOLDER/lists-n.i32: users x LENGTH item indexes, best first,
without the user's own items, -1 where there are no more. Prints one JSON line with versions.
"""
import json
import os
import sys

# Kernels of this processor, whatever the environment asks for; one BLAS thread inside each of implicit's own.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import implicit  # noqa: E402
import numpy  # noqa: E402
import scipy  # noqa: E402
import scipy.sparse  # noqa: E402
import threadpoolctl  # noqa: E402

folder, recipes, threads, length = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])


def read(name, kind):
    return numpy.fromfile(os.path.join(folder, name), kind)


pointers, items = read("pointers.i32", numpy.int32), read("items.i32", numpy.int32)
matrix = scipy.sparse.csr_matrix(
    (read("strengths.f32", numpy.float32), items, pointers), shape=(len(pointers) - 1, int(items.max()) + 1)
)
users = numpy.arange(matrix.shape[0])
for number, recipe in enumerate(recipes):
    model = implicit.als.AlternatingLeastSquares(
        factors=recipe["factors"], regularization=recipe["regularization"], alpha=recipe["alpha"],
        iterations=recipe["iterations"], random_state=recipe["seed"], num_threads=threads, use_gpu=False,
    )
    model.fit(matrix, show_progress=False)
    lists, scores = model.recommend(users, matrix, N=min(length, matrix.shape[1]), filter_already_liked_items=True)
    full = numpy.full((len(users), length), -1, numpy.int32)
    # implicit fills lists that run out of items with the lowest score there is.
    full[:, : lists.shape[1]] = numpy.where(scores > -1e30, lists, -1)
    full.tofile(os.path.join(folder, f"lists-{number}.i32"))
    print(f"recipe {number + 1} of {len(recipes)}", file=sys.stderr, flush=True)
print(json.dumps({
    "python": sys.version.split()[0],
    "implicit": implicit.__version__,
    "numpy": numpy.__version__,
    "scipy": scipy.__version__,
    "blas": sorted({pool.get("architecture", "") for pool in threadpoolctl.threadpool_info()} - {""}),
}))
