"""Five facial points by the cascade of Sun, Wang and Tang (CVPR 2013): `from deeplandmark import Cascade`."""


def __getattr__(name):
    if name in ("Cascade", "Faces"):
        from deeplandmark.cascade import cascade
        return getattr(cascade, name)
    raise AttributeError(f"module 'deeplandmark' has no attribute {name!r}")
