"""The network of a regressor's model folder (needs the extra [train])."""
from deeplandmark.caffe.module import to_torch
from deeplandmark.networks.running import check_network


def load_network(settings, folder):
    """Its NetModule; a ValueError names the file that is missing or wrong (a CaffeError where it is no net)."""
    stem = f"{folder}/{settings.network.full_name}"
    module = to_torch(f"{stem}.prototxt", f"{stem}.caffemodel")
    check_network(module, settings.network, f"{stem}.prototxt")
    return module
