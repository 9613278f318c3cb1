"""The loss of objective `implicit` in float64 from exported factors: the same script for both sides. Prints a number.

sum over all pairs (x.y)^2 + sum over observations [(c - 1)(x.y)^2 - 2 c x.y + c] + regularization (|X|^2 + |Y|^2), c = alpha s

usage: loss.py MATRIX_FOLDER FACTORS_FOLDER FACTORS ALPHA REGULARIZATION
"""
import os
import sys

import numpy

folder, trained = sys.argv[1:3]
factors, alpha, regularization = int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5])


def read(name, kind, where):
    return numpy.fromfile(os.path.join(where, name), kind)


pointers, items = read("pointers.i32", numpy.int32, folder), read("items.i32", numpy.int32, folder)
confidence = alpha * read("strengths.f32", numpy.float32, folder).astype(numpy.float64)
x = read("user-factors.f32", numpy.float32, trained).reshape(-1, factors).astype(numpy.float64)
y = read("item-factors.f32", numpy.float32, trained).reshape(-1, factors).astype(numpy.float64)
loss = ((x.T @ x) * (y.T @ y)).sum() + regularization * ((x * x).sum() + (y * y).sum())
users = len(pointers) - 1
for start in range(0, users, 2048):
    end = min(start + 2048, users)
    rows = numpy.repeat(numpy.arange(start, end), numpy.diff(pointers[start : end + 1]))
    c = confidence[pointers[start] : pointers[end]]
    product = numpy.einsum("ij,ij->i", x[rows], y[items[pointers[start] : pointers[end]]])
    loss += ((c - 1) * product * product - 2 * c * product + c).sum()
print(repr(float(loss)))
