"""Training of the networks that find faces: their rows, samples and solvers; detectors/ runs them."""
