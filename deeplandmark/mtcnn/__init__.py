"""Training of MTCNN (Zhang et al., IEEE SPL 2016): its networks and their samples; detectors/mtcnn.py runs it."""
