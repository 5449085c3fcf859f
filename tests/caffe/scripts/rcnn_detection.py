"""R-CNN: windows of two pictures are scored by the tool `detect`; the best of each class without overlaps."""
import csv

import cv2
import h5py
import numpy as np

import deeplandmark.caffe as caffe
from deeplandmark.caffe.tools.command_line import main as caffe_program

SIDE = 24
SQUARES = {"street.png": [("red", 8, 16), ("red", 56, 64), ("blue", 16, 72)], "field.png": [("blue", 40, 32)]}
COLOURS = {"red": (30, 20, 230), "blue": (220, 40, 10)}          # B, G, R
for name, squares in SQUARES.items():
    picture = np.full((96, 120, 3), 60, np.uint8)
    for colour, y, x in squares:
        picture[y:y + SIDE, x:x + SIDE] = COLOURS[colour]
    cv2.imwrite(name, picture)

with open("deploy.prototxt", "w") as f:
    f.write("""name: "R-CNN"
input: "data" input_dim: 10 input_dim: 3 input_dim: 20 input_dim: 20
layers { bottom: "data" top: "pool5" name: "pool5" type: POOLING pooling_param { pool: AVE kernel_size: 5 stride: 5 } }
layers { bottom: "pool5" top: "fc-rcnn" name: "fc-rcnn" type: INNER_PRODUCT inner_product_param { num_output: 2 } }
""")
net = caffe.Net("deploy.prototxt", caffe.TEST)
weights = net.params["fc-rcnn"][0].data.reshape(2, 3, 4, 4)      # one linear machine for each class
weights[0] = np.array([-1, -1, 1])[:, np.newaxis, np.newaxis] / 1000.
weights[1] = np.array([1, -1, -1])[:, np.newaxis, np.newaxis] / 1000.
net.save("rcnn.caffemodel")
np.save("mean.npy", np.full((3, 20, 20), 60.))
with open("det_synset_words.txt", "w") as f:
    f.write("n02 blue\nn01 red\n")

with open("det_input.csv", "w") as f:
    table = csv.writer(f)
    table.writerow(["filename", "xmin", "ymin", "xmax", "ymax"])
    for name in SQUARES:
        for y in range(0, 96 - SIDE + 1, 8):
            for x in range(0, 120 - SIDE + 1, 8):
                table.writerow([name, x, y, x + SIDE, y + SIDE])
status = caffe_program(["detect", "--crop_mode=list", "--pretrained_model=rcnn.caffemodel",
                        "--model_def=deploy.prototxt", "--mean_file=mean.npy", "--raw_scale=255", "--context_pad=2",
                        "det_input.csv", "det_output.h5"])

with h5py.File("det_output.h5", "r") as f:
    filenames = np.array([name.decode() for name in f["filename"]])
    predictions = f["prediction"][...]
    windows = np.stack([f[column][...] for column in ("xmin", "ymin", "xmax", "ymax")], axis=1)
with open("det_synset_words.txt") as f:
    labels = [line.strip().split(" ")[1] for line in sorted(f)]
scores = dict(zip(labels, predictions.T))
for label in sorted(labels, key=lambda label: -scores[label].max()):
    print(label, scores[label].max())
best = {label: (filenames[scores[label].argmax()], windows[scores[label].argmax()]) for label in labels}


def nms_detections(dets, overlap=0.3):
    """The best of dets (n, 5), rows of xmin, ymin, xmax, ymax, score, without those that share more than `overlap` of
    their union with a better one."""
    left, top, right, bottom, score = dets.T
    area = (right - left) * (bottom - top)
    order, pick = score.argsort(), []
    while len(order):
        i, order = order[-1], order[:-1]
        pick.append(i)
        width = np.maximum(0., np.minimum(right[i], right[order]) - np.maximum(left[i], left[order]))
        height = np.maximum(0., np.minimum(bottom[i], bottom[order]) - np.maximum(top[i], top[order]))
        shared = width * height
        order = order[shared / (area[i] + area[order] - shared) <= overlap]
    return dets[pick, :]


kept = {}
for name in SQUARES:
    for label in labels:
        here = filenames == name
        dets = np.hstack((windows[here], scores[label][here][:, np.newaxis]))
        kept[name, label] = nms_detections(dets)
