"""Several labels a picture: data layers in Python that load batches, and the Hamming distance on the test net."""
import os
import os.path as osp
from copy import copy
from xml.etree import ElementTree

import cv2
import numpy as np

import deeplandmark.caffe as caffe

CLASSES = ["sun", "sea", "grass"]


class SimpleTransformer:
    """Pictures (h, w, RGB) to (BGR, h, w) without a mean, and back."""

    def __init__(self, mean=(128, 128, 128)):
        self.mean, self.scale = np.array(mean, dtype=np.float32), 1.0

    def set_scale(self, scale):
        self.scale = scale

    def preprocess(self, im):
        return ((np.float32(im)[:, :, ::-1] - self.mean) * self.scale).transpose((2, 0, 1))

    def deprocess(self, im):
        return np.uint8(np.round(im.transpose(1, 2, 0) / self.scale + self.mean)[:, :, ::-1])


class BatchLoader:
    """Pictures of a split one by one, in a new order each time they are through, and their labels."""

    def __init__(self, params):
        self.root, self.shape = params["root"], params["im_shape"]
        with open(osp.join(self.root, "ImageSets", params["split"] + ".txt")) as f:
            self.names = f.read().split()
        self.rng, self.cur = np.random.RandomState(1), 0
        self.transformer = SimpleTransformer()
        self.transformer.set_scale(1 / 128.)

    def load_next_image(self):
        if self.cur == len(self.names):
            self.cur = 0
            self.rng.shuffle(self.names)
        name = self.names[self.cur]
        self.cur += 1
        im = cv2.imread(osp.join(self.root, "JPEGImages", name + ".png"))[:, :, ::-1]
        im = cv2.resize(im, tuple(self.shape[::-1]), interpolation=cv2.INTER_NEAREST)
        multilabel = np.zeros(len(CLASSES), np.float32)
        for tag in ElementTree.parse(osp.join(self.root, "Annotations", name + ".xml")).iter("name"):
            multilabel[CLASSES.index(tag.text)] = 1
        return self.transformer.preprocess(im), multilabel


class MultilabelDataLayerSync(caffe.Layer):
    """Batches of one size, whose tops get their shapes once."""

    def setup(self, bottom, top):
        self.top_names = ["data", "label"]
        params = eval(self.param_str)
        self.batch_size = params["batch_size"]
        self.batch_loader = BatchLoader(params)
        top[0].reshape(self.batch_size, 3, params["im_shape"][0], params["im_shape"][1])
        top[1].reshape(self.batch_size, len(CLASSES))

    def forward(self, bottom, top):
        for itt in range(self.batch_size):
            im, multilabel = self.batch_loader.load_next_image()
            top[0].data[itt, ...] = im
            top[1].data[itt, ...] = multilabel

    def reshape(self, bottom, top):
        pass

    def backward(self, top, propagate_down, bottom):
        pass


class MultilabelOnceThrough(MultilabelDataLayerSync):
    """Every picture once in a round, so that the last batch is smaller: tops get their shapes with each batch."""

    def reshape(self, bottom, top):
        loader = self.batch_loader
        left = len(loader.names) - loader.cur % len(loader.names)
        self.batch = [loader.load_next_image() for _ in range(min(self.batch_size, left))]
        for blob, values in zip(top, zip(*self.batch)):
            blob.reshape(len(self.batch), *values[0].shape)

    def forward(self, bottom, top):
        for itt, (im, multilabel) in enumerate(self.batch):
            top[0].data[itt, ...] = im
            top[1].data[itt, ...] = multilabel


class CaffeSolver:
    """A solver's settings as text, `sp`, and their file."""

    def __init__(self, trainnet_prototxt_path, testnet_prototxt_path):
        self.sp = {"base_lr": "0.001", "momentum": "0.9", "test_iter": "100", "test_interval": "2500", "display": "25",
                   "snapshot": "2500", "snapshot_prefix": '"snapshot"', "lr_policy": '"fixed"', "gamma": "0.1",
                   "weight_decay": "0.0005", "max_iter": "100000", "test_initialization": "false",
                   "average_loss": "25", "iter_size": "1", "random_seed": "3",
                   "train_net": '"%s"' % trainnet_prototxt_path, "test_net": '"%s"' % testnet_prototxt_path}

    def write(self, filepath):
        with open(filepath, "w") as f:
            for key, value in sorted(self.sp.items()):
                f.write("%s: %s\n" % (key, value))


def draw_voc(root, count):
    """Pictures in the folders of PASCAL VOC: a yellow disc, a blue stripe, a green stripe, each in every second."""
    rng = np.random.RandomState(0)
    for folder in ("ImageSets", "JPEGImages", "Annotations"):
        os.makedirs(osp.join(root, folder))
    for split, first, last in (("train", 0, count), ("val", count, count + count // 2 + 1)):
        with open(osp.join(root, "ImageSets", split + ".txt"), "w") as f:
            f.write("\n".join("%06d" % i for i in range(first, last)))
        for i in range(first, last):
            im = rng.randint(90, 130, (24, 24, 3)).astype(np.uint8)
            shown = [name for name in CLASSES if rng.rand() < 0.5]
            if "sun" in shown:
                cv2.circle(im, (int(rng.randint(5, 19)), 5), 4, (20, 230, 240), -1)
            for name, top, colour in (("sea", 12, (230, 60, 20)), ("grass", 18, (20, 200, 40))):
                if name in shown:
                    im[top:top + 6] = colour
            cv2.imwrite(osp.join(root, "JPEGImages", "%06d.png" % i), im)
            objects = "".join("<object><name>%s</name></object>" % name for name in shown)
            with open(osp.join(root, "Annotations", "%06d.xml" % i), "w") as f:
                f.write("<annotation>%s</annotation>" % objects)


def hamming_distance(gt, est):
    return sum([1 for (g, e) in zip(gt, est) if g == e]) / float(len(gt))


def check_accuracy(net, num_batches, guess=None):
    acc, count = 0.0, 0
    for t in range(num_batches):
        net.forward()
        gts = net.blobs["label"].data
        ests = net.blobs["score"].data > 0 if guess is None else np.zeros(gts.shape)
        for gt, est in zip(gts, ests):
            acc += hamming_distance(gt, est)
        count += len(gts)
    return acc / count


if __name__ == "__main__":
    from deeplandmark.caffe import layers as L
    from deeplandmark.caffe import params as P

    def multilabel_net(data_layer_params, datalayer):
        n = caffe.NetSpec()
        n.data, n.label = L.Python(module="multilabel_datalayer", layer=datalayer, ntop=2,
                                   param_str=str(data_layer_params))
        n.conv1 = L.Convolution(n.data, kernel_size=3, num_output=8, weight_filler=dict(type="xavier"))
        n.relu1 = L.ReLU(n.conv1, in_place=True)
        n.pool1 = L.Pooling(n.relu1, pool=P.Pooling.MAX, kernel_size=3, stride=3)
        n.drop1 = L.Dropout(n.pool1, in_place=True, dropout_ratio=0.1)
        n.score = L.InnerProduct(n.drop1, num_output=len(CLASSES), weight_filler=dict(type="xavier"))
        n.loss = L.SigmoidCrossEntropyLoss(n.score, n.label)
        return str(n.to_proto())

    draw_voc("VOC", 40)
    workdir = "./multilabel_with_datalayer"
    os.makedirs(workdir)
    solverprototxt = CaffeSolver(osp.join(workdir, "trainnet.prototxt"), osp.join(workdir, "valnet.prototxt"))
    solverprototxt.sp["display"] = "1"
    solverprototxt.sp["base_lr"] = "0.02"
    solverprototxt.write(osp.join(workdir, "solver.prototxt"))
    with open(osp.join(workdir, "trainnet.prototxt"), "w") as f:
        f.write(multilabel_net(dict(batch_size=10, im_shape=[20, 22], split="train", root="VOC"),
                               "MultilabelDataLayerSync"))
    with open(osp.join(workdir, "valnet.prototxt"), "w") as f:
        f.write(multilabel_net(dict(batch_size=8, im_shape=[20, 22], split="val", root="VOC"),
                               "MultilabelOnceThrough"))

    solver = caffe.SGDSolver(osp.join(workdir, "solver.prototxt"))
    solver.net.save("pretrained.caffemodel")
    solver.net.copy_from("pretrained.caffemodel")
    solver.test_nets[0].share_with(solver.net)
    solver.step(1)

    transformer = SimpleTransformer()
    transformer.set_scale(1 / 128.)
    picture = transformer.deprocess(copy(solver.net.blobs["data"].data[0, ...]))
    gtlist = [CLASSES[i] for i in np.where(solver.net.blobs["label"].data[0, ...].astype(int))[0]]
    test_net = solver.test_nets[0]
    baseline = check_accuracy(test_net, 3, guess="nothing")
    accuracies, batches = [], []
    for itt in range(4):
        solver.step(15)
        accuracies.append(check_accuracy(test_net, 3))
        print("itt:{:3d}".format((itt + 1) * 15), "accuracy:{0:.4f}".format(accuracies[-1]))
    for _ in range(3):
        test_net.forward()
        batches.append(test_net.blobs["score"].data.shape)
    shared = all((a.data == b.data).all() for name in ("conv1", "score")
                 for a, b in zip(test_net.params[name], solver.net.params[name]))
