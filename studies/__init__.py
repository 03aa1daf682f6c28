"""Experiments on the embedded domain; none of it is part of the package."""
