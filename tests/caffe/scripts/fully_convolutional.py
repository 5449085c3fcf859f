"""Casting a classifier's inner products into convolutions, so that it slides over larger pictures."""
import numpy as np

import deeplandmark.caffe as caffe

BODY = """
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
"""
with open("dense.prototxt", "w") as f:
    f.write('input: "data" input_dim: 1 input_dim: 1 input_dim: 12 input_dim: 12' + BODY + """
layer { name: "fc2" type: "InnerProduct" bottom: "pool1" top: "fc2"
  inner_product_param { num_output: 6 weight_filler { type: "xavier" } bias_filler { type: "gaussian" std: 1 } } }
layer { name: "fc3" type: "InnerProduct" bottom: "fc2" top: "fc3"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc3" top: "prob" }
""")
with open("full_conv.prototxt", "w") as f:
    f.write('input: "data" input_dim: 1 input_dim: 1 input_dim: 20 input_dim: 24' + BODY + """
layer { name: "fc2-conv" type: "Convolution" bottom: "pool1" top: "fc2-conv"
  convolution_param { num_output: 6 kernel_size: 5 } }
layer { name: "fc3-conv" type: "Convolution" bottom: "fc2-conv" top: "fc3-conv"
  convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "prob" type: "Softmax" bottom: "fc3-conv" top: "prob" }
""")
caffe.Net("dense.prototxt", caffe.TEST).save("dense.caffemodel")

net = caffe.Net("dense.prototxt", "dense.caffemodel", caffe.TEST)
params = ["fc2", "fc3"]
fc_params = {pr: (net.params[pr][0].data, net.params[pr][1].data) for pr in params}
net_full_conv = caffe.Net("full_conv.prototxt", "dense.caffemodel", caffe.TEST)   # conv1 is found by its name
params_full_conv = ["fc2-conv", "fc3-conv"]
conv_params = {pr: (net_full_conv.params[pr][0].data, net_full_conv.params[pr][1].data) for pr in params_full_conv}
for pr, pr_conv in zip(params, params_full_conv):
    conv_params[pr_conv][0].flat = fc_params[pr][0].flat         # unroll the arrays
    conv_params[pr_conv][1][...] = fc_params[pr][1]
net_full_conv.save("full_conv.caffemodel")

image = np.random.RandomState(3).randn(1, 1, 20, 24).astype(np.float32)
out = net_full_conv.forward_all(data=image)
prob_map = out["prob"]
windows = np.array([[net.forward(data=image[:, :, 2 * i:2 * i + 12, 2 * j:2 * j + 12])["prob"][0].copy()
                     for j in range(7)] for i in range(5)])
