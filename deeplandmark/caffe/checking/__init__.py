"""Checks of this package: mutated input (fuzz) and numbers recorded with BVLC Caffe 1.0 (reference_...)."""
