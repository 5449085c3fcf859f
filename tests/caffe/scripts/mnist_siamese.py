"""A siamese net of two branches with shared parameters learns from pairs; one branch alone then tells digits apart."""
import cv2
import h5py
import numpy as np

import deeplandmark.caffe as caffe

CLASSES = 3
rng = np.random.RandomState(0)


def draw(digit):
    picture = np.zeros((28, 28), np.uint8)
    place = (int(rng.randint(5, 10)), int(rng.randint(20, 25)))
    cv2.putText(picture, str(digit), place, cv2.FONT_HERSHEY_SIMPLEX, rng.uniform(0.6, 0.8), 255, 2, cv2.LINE_AA)
    return np.clip(picture + rng.normal(0, 15, picture.shape), 0, 255).astype(np.uint8)


def write_mnist(images, labels):
    with open("images-idx3-ubyte", "wb") as f:
        f.write(np.array([2051, len(images), 28, 28], ">i4").tobytes() + np.array(images).tobytes())
    with open("labels-idx1-ubyte", "wb") as f:
        f.write(np.array([2049, len(labels)], ">i4").tobytes() + np.array(labels, np.uint8).tobytes())


def branch(suffix, bottom):
    def layer(name, kind, bottom, settings):
        shared = " ".join('param { name: "%s_%s" lr_mult: %d }' % (name, part, rate)
                          for part, rate in (("w", 1), ("b", 2)))
        return ('layer { name: "%s%s" type: "%s" bottom: "%s" top: "%s%s" %s %s }\n'
                % (name, suffix, kind, bottom, name, suffix, shared, settings))

    filler = 'weight_filler { type: "xavier" } bias_filler { type: "constant" }'
    return (layer("conv1", "Convolution", bottom, "convolution_param { num_output: 8 kernel_size: 5 stride: 2 %s }"
                  % filler)
            + 'layer { name: "pool1%s" type: "Pooling" bottom: "conv1%s" top: "pool1%s" pooling_param { pool: MAX '
              'kernel_size: 2 stride: 2 } }\n' % (suffix, suffix, suffix)
            + layer("ip1", "InnerProduct", "pool1" + suffix, "inner_product_param { num_output: 30 %s }" % filler)
            + 'layer { name: "relu1%s" type: "ReLU" bottom: "ip1%s" top: "ip1%s" }\n' % (suffix, suffix, suffix)
            + layer("ip2", "InnerProduct", "ip1" + suffix, "inner_product_param { num_output: 10 %s }" % filler)
            + layer("feat", "InnerProduct", "ip2" + suffix, "inner_product_param { num_output: 2 %s }" % filler))


def train():
    digits = rng.randint(0, CLASSES, (320, 2))
    digits[::2, 1] = digits[::2, 0]                              # every second pair is of one digit
    with h5py.File("pairs.h5", "w") as f:
        f["pair_data"] = np.array([[draw(a), draw(b)] for a, b in digits]) * np.float32(0.00390625)
        f["sim"] = (digits[:, 0] == digits[:, 1]).astype(np.float32)
    with open("pairs.txt", "w") as f:
        f.write("pairs.h5\n")
    with open("mnist_siamese_train_test.prototxt", "w") as f:
        f.write('name: "mnist_siamese_train_test"\n'
                'layer { name: "pair_data" type: "HDF5Data" top: "pair_data" top: "sim"\n'
                '  hdf5_data_param { source: "pairs.txt" batch_size: 32 shuffle: true } }\n'
                'layer { name: "slice_pair" type: "Slice" bottom: "pair_data" top: "data" top: "data_p"\n'
                '  slice_param { slice_dim: 1 slice_point: 1 } }\n' + branch("", "data") + branch("_p", "data_p")
                + 'layer { name: "loss" type: "ContrastiveLoss" bottom: "feat" bottom: "feat_p" bottom: "sim" '
                  'top: "loss" contrastive_loss_param { margin: 1 } }\n')
    with open("mnist_siamese_solver.prototxt", "w") as f:
        f.write('train_net: "mnist_siamese_train_test.prototxt" base_lr: 0.02 momentum: 0.9 lr_policy: "inv" '
                'gamma: 0.0001 power: 0.75 max_iter: 120 snapshot_prefix: "mnist_siamese" random_seed: 2')
    solver = caffe.get_solver("mnist_siamese_solver.prototxt")
    solver.solve()                                               # with a snapshot at its end
    return solver.net


siamese = train()
labels_drawn = np.arange(105) % CLASSES
write_mnist([draw(label) for label in labels_drawn], labels_drawn)
with open("mnist_siamese.prototxt", "w") as f:
    f.write('name: "mnist_siamese"\ninput: "data" input_shape { dim: 50 dim: 1 dim: 28 dim: 28 }\n'
            + branch("", "data"))

caffe.set_mode_cpu()
net = caffe.Net("mnist_siamese.prototxt", "mnist_siamese_iter_120.caffemodel", caffe.TEST)
n = 105
with open("images-idx3-ubyte", "rb") as f:
    f.read(16)                                                   # the head
    raw_data = np.frombuffer(f.read(n * 28 * 28), dtype=np.uint8)
with open("labels-idx1-ubyte", "rb") as f:
    f.read(8)
    labels = np.frombuffer(f.read(n), dtype=np.uint8)
caffe_in = raw_data.reshape(n, 1, 28, 28) * 0.00390625           # scaled by hand, without a Transformer
out = net.forward_all(data=caffe_in)
feat = out["feat"]
clusters = [feat[labels == i] for i in range(CLASSES)]
centres = np.array([cluster.mean(0) for cluster in clusters])
nearest = ((feat[:, np.newaxis] - centres) ** 2).sum(2).argmin(1)
spread = max(((cluster - centre) ** 2).sum(1).mean() ** 0.5 for cluster, centre in zip(clusters, centres))
apart = min(((centres[i] - centres[j]) ** 2).sum() ** 0.5 for i in range(CLASSES) for j in range(i))
