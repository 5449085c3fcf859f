"""System: one network that predicts all points of a face at once, from one window of its box."""
