"""Classify a picture file with a Transformer in front, and read features of a layer inside."""
import cv2
import numpy as np

import deeplandmark.caffe as caffe

rng = np.random.RandomState(2)
cv2.imwrite("cat.png", rng.randint(0, 256, (50, 60, 3)).astype(np.uint8))
np.save("mean.npy", np.full((3, 20, 20), 110.) + np.arange(3)[:, None, None])
with open("deploy.prototxt", "w") as f:
    f.write("""name: "tiny"
layer { name: "data" type: "Input" top: "data" input_param { shape: { dim: 10 dim: 3 dim: 16 dim: 16 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 6 kernel_size: 5 stride: 2 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }
layer { name: "pool1" type: "Pooling" bottom: "norm1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "fc2" type: "InnerProduct" bottom: "pool1" top: "fc2"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc2" top: "prob" }
""")
caffe.set_random_seed(5)
caffe.Net("deploy.prototxt", caffe.TEST).save("tiny.caffemodel")

caffe.set_mode_cpu()
net = caffe.Net("deploy.prototxt", "tiny.caffemodel", caffe.TEST)
mu = np.load("mean.npy").mean(1).mean(1)
transformer = caffe.io.Transformer({"data": net.blobs["data"].data.shape})
transformer.set_transpose("data", (2, 0, 1))
transformer.set_mean("data", mu)
transformer.set_raw_scale("data", 255)
transformer.set_channel_swap("data", (2, 1, 0))

net.blobs["data"].reshape(4, 3, 16, 16)
image = caffe.io.load_image("cat.png")
transformed_image = transformer.preprocess("data", image)
net.blobs["data"].data[...] = transformed_image
output = net.forward()
output_prob = output["prob"][0]
top_inds = output_prob.argsort()[::-1][:3]
layer_shapes = {name: blob.data.shape for name, blob in net.blobs.items()}
param_shapes = {name: param[0].data.shape for name, param in net.params.items()}
feat = net.blobs["pool1"].data[0].copy()
picture = transformer.deprocess("data", net.blobs["data"].data[0])
only_features = net.forward(end="pool1")

classifier = caffe.Classifier("deploy.prototxt", "tiny.caffemodel", mean=mu, channel_swap=(2, 1, 0), raw_scale=255,
                              image_dims=(20, 20))
prediction = classifier.predict([image], oversample=False)
